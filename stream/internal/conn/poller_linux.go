package conn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// A Poller calls the watchers of sockets that can be written or read again, or are gone. It
// uses one edge-triggered epoll(7) for all sockets. The epoll is made for the first
// connection, so a hub without connections needs no descriptor.
type Poller struct {
	made chan struct{} // closed when file and raw are set

	making sync.Mutex // guards the making of file and raw
	file   *os.File   // the epoll, as a file of Go's runtime poller, so that a wait blocks no thread
	raw    syscall.RawConn

	mu    sync.Mutex // guards slots and free
	slots []slot
	free  []int32 // indexes of free slots
}

// A slot has the watcher of one connection. The generation counts the connections that had
// the slot: an event of an earlier connection is ignored.
type slot struct {
	watcher    Watcher
	generation int32
}

// A place is the index of a slot and the generation in which a connection has the slot.
type place struct {
	slot       int32
	generation int32
}

// NewPoller returns a poller, which calls no watcher until it runs.
func NewPoller() *Poller { return &Poller{made: make(chan struct{})} }

// Run calls watchers until ctx ends, then returns nil. It returns an error if no change of
// a socket can be reported any more.
func (p *Poller) Run(ctx context.Context) error {
	select {
	case <-p.made:
		return p.poll(ctx)
	case <-ctx.Done():
		return nil
	}
}

// start makes the epoll, unless an earlier call has made it.
func (p *Poller) start() error {
	p.making.Lock()
	defer p.making.Unlock()
	if p.file != nil {
		return nil
	}
	if err := p.create(); err != nil {
		return err
	}
	close(p.made)
	return nil
}

func (p *Poller) create() error {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("create epoll: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return errors.Join(err, syscall.Close(fd))
	}
	file := os.NewFile(uintptr(fd), "epoll")
	if p.raw, err = file.SyscallConn(); err != nil {
		return errors.Join(err, file.Close())
	}
	p.file = file
	return nil
}

const epollet = 1 << 31 // EPOLLET of sys/epoll.h; the constant of package syscall is negative

// add watches the socket of a connection, with input also for bytes of the peer.
func (p *Poller) add(c *Conn, watcher Watcher, input bool) error {
	if err := p.start(); err != nil {
		return err
	}
	events := uint32(syscall.EPOLLOUT | syscall.EPOLLRDHUP | epollet)
	if input {
		events |= syscall.EPOLLIN
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		p.slots = append(p.slots, slot{})
		p.free = append(p.free, int32(len(p.slots)-1))
	}
	i := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.slots[i].watcher = watcher
	c.place = place{i, p.slots[i].generation}
	// Fd and Pad together are the 64 bits of epoll_data, which the kernel returns unchanged.
	event := syscall.EpollEvent{Events: events, Fd: c.place.slot, Pad: c.place.generation}
	if err := p.control(c, syscall.EPOLL_CTL_ADD, &event); err != nil {
		p.freeLocked(c)
		return fmt.Errorf("watch connection: %w", err)
	}
	return nil
}

// freeLocked makes the slot of a connection free.
func (p *Poller) freeLocked(c *Conn) {
	s := &p.slots[c.place.slot]
	s.watcher = nil
	s.generation++
	p.free = append(p.free, c.place.slot)
}

// remove stops watching a connection. It must be called before the connection is closed.
func (p *Poller) remove(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.freeLocked(c)
	_ = p.control(c, syscall.EPOLL_CTL_DEL, nil) // fails only if the socket is gone
}

func (p *Poller) control(c *Conn, op int, event *syscall.EpollEvent) (err error) {
	outer := p.raw.Control(func(epoll uintptr) { err = syscall.EpollCtl(int(epoll), op, int(c.socket), event) })
	return cmp.Or(outer, err)
}

// poll waits for events until ctx ends.
func (p *Poller) poll(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { p.file.Close() })()
	var events [256]syscall.EpollEvent
	for {
		var n int
		var failed error
		err := p.raw.Read(func(fd uintptr) bool {
			n, failed = syscall.EpollWait(int(fd), events[:], 0)
			return n > 0 || failed != nil
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case failed == syscall.EINTR:
			continue
		case err != nil || failed != nil:
			return fmt.Errorf("watch sockets: %w", cmp.Or(err, failed))
		}
		p.report(events[:n])
	}
}

// report calls the watchers of events.
func (p *Poller) report(events []syscall.EpollEvent) {
	const over = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	for _, e := range events {
		p.mu.Lock()
		s := p.slots[e.Fd]
		p.mu.Unlock()
		if s.watcher == nil || s.generation != e.Pad {
			continue
		}
		s.watcher.SocketChanged(e.Events&syscall.EPOLLIN != 0, e.Events&over != 0)
	}
}

// Free returns the number of free slots, and the number of all slots.
func (p *Poller) Free() (free, slots int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free), len(p.slots)
}
