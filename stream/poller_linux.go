package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// A poller learns when sockets that were taken over can be written again, or are gone:
// epoll(7), edge-triggered, one for all of them, with no goroutine each. It marks their
// subscriptions, and the shards' workers do the rest.
type poller struct {
	file *os.File // of the runtime, so that waiting for it blocks no thread
	raw  syscall.RawConn

	mu    sync.Mutex // guards what follows
	slots []slot
	free  []int
}

// A slot is one socket. Its generation tells an event of it from one of the socket that
// had the slot before.
type slot struct {
	sub        *Subscription
	generation int32
}

// A lazyPoller is made for the first socket: a hub without any has none.
type lazyPoller struct {
	once sync.Once
	made chan struct{} // closed once
	*poller
	err error
}

func newLazyPoller() lazyPoller { return lazyPoller{made: make(chan struct{})} }

// get returns the poller.
func (l *lazyPoller) get() (*poller, error) {
	l.once.Do(func() {
		l.poller, l.err = newPoller()
		close(l.made)
	})
	return l.poller, l.err
}

// run runs it once it is made, until ctx ends.
func (l *lazyPoller) run(ctx context.Context) {
	select {
	case <-l.made:
		if l.err == nil {
			l.poller.run(ctx)
		}
	case <-ctx.Done():
	}
}

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	return p, nil
}

const epollet = 1 << 31 // EPOLLET of sys/epoll.h, unsigned

// add watches a wire's socket for a subscription.
func (p *poller) add(w *wire, s *Subscription) error {
	events := uint32(syscall.EPOLLOUT | syscall.EPOLLRDHUP | epollet)
	if w.tls != nil {
		events |= syscall.EPOLLIN
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		p.slots = append(p.slots, slot{})
		p.free = append(p.free, len(p.slots)-1)
	}
	w.slot = p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.slots[w.slot].sub = s
	w.generation = p.slots[w.slot].generation
	event := syscall.EpollEvent{Events: events, Fd: int32(w.slot), Pad: w.generation}
	if err := p.control(w, syscall.EPOLL_CTL_ADD, &event); err != nil {
		p.release(w)
		return fmt.Errorf("watch connection: %w", err)
	}
	return nil
}

// release makes a wire's slot another's.
func (p *poller) release(w *wire) {
	s := &p.slots[w.slot]
	s.sub = nil
	s.generation++
	p.free = append(p.free, w.slot)
}

// remove forgets a wire, before its connection is closed or given away.
func (p *poller) remove(w *wire) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.slots[w.slot]
	if s.sub == nil || s.generation != w.generation {
		return
	}
	p.release(w)
	_ = p.control(w, syscall.EPOLL_CTL_DEL, nil) // fails when the socket is gone, and then there is nothing to do
}

func (p *poller) control(w *wire, op int, event *syscall.EpollEvent) (err error) {
	outer := p.raw.Control(func(epoll uintptr) { err = syscall.EpollCtl(int(epoll), op, int(w.socket), event) })
	return cmp.Or(outer, err)
}

// run marks until ctx ends.
func (p *poller) run(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { p.file.Close() })()
	var events [256]syscall.EpollEvent
	for {
		var n int
		err := p.raw.Read(func(fd uintptr) bool {
			n, _ = syscall.EpollWait(int(fd), events[:], 0)
			return n > 0
		})
		if err != nil {
			return
		}
		p.tell(events[:n])
	}
}

// tell marks the subscriptions of events.
func (p *poller) tell(events []syscall.EpollEvent) {
	const over = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	for _, e := range events {
		p.mu.Lock()
		s := p.slots[e.Fd]
		p.mu.Unlock()
		if s.sub == nil || s.generation != e.Pad {
			continue
		}
		s.sub.poke(e.Events&over != 0)
	}
}
