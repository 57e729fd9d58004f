package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
)

const (
	swarmWait  = 20       // milliseconds that a loop waits before it looks whether to end
	swarmBatch = 512      // connections that a loop is told of at once
	swarmPiece = 64 << 10 // bytes that it reads at once
)

// A swarm reads many connections with a few goroutines, each with an epoll and a
// buffer of its own: a reader that waits costs a few hundred bytes and no goroutine,
// and one that reads a single read(2).
type swarm struct {
	loops []*swarmLoop
}

type swarmLoop struct {
	epoll   int
	mu      sync.Mutex // guards the rest
	members map[int]*member
	ended   bool
}

// A member is one connection of a loop.
type member struct {
	fd    int
	in    feeder
	ended func(error)
}

var errCut = errors.New("cut by the benchmark")

// newSwarm starts the loops, which end with ctx: one for every two cores, as the
// server has to live as well.
func newSwarm(ctx context.Context, spawn func(func())) (*swarm, error) {
	s := &swarm{}
	for range max(1, runtime.NumCPU()/2) {
		epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
		if err != nil {
			return nil, fmt.Errorf("create epoll: %w", err)
		}
		l := &swarmLoop{epoll: epoll, members: map[int]*member{}}
		s.loops = append(s.loops, l)
		spawn(func() { l.run(ctx) })
	}
	return s, nil
}

// adopt takes a connection over, whatever of it was read already included, unless it
// is none of the kernel's. From then on it is read by the swarm, which calls ended
// once, not to wait: it holds a lock.
func (s *swarm) adopt(c *wireConn, in feeder, ended func(error)) bool {
	tcp, ok := c.Conn.(*net.TCPConn)
	if s == nil || !ok {
		return false
	}
	fd, err := duplicate(tcp)
	if err != nil {
		return false
	}
	early, _ := c.in.Peek(c.in.Buffered()) // as much as is there is no error
	m := &member{fd: fd, in: in, ended: ended}
	c.close()
	l := s.loops[fd%len(s.loops)]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members[fd] = m
	if err := l.join(m, early); err != nil {
		l.drop(m, err)
	}
	return true
}

// duplicate returns a descriptor of the connection that Go's own poller does not know.
// When it closes there is a reset: thousands in TIME_WAIT would use the ports up.
func duplicate(tcp *net.TCPConn) (fd int, err error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlled := raw.Control(func(of uintptr) {
		dup, _, errno := syscall.Syscall(syscall.SYS_FCNTL, of, syscall.F_DUPFD_CLOEXEC, 0)
		if errno != 0 {
			err = errno
			return
		}
		fd = int(dup)
		err = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	})
	return fd, errors.Join(controlled, err)
}

func (l *swarmLoop) join(m *member, early []byte) error {
	if l.ended {
		return net.ErrClosed
	}
	if err := m.take(early); err != nil {
		return err
	}
	return syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, m.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP, Fd: int32(m.fd)})
}

// drop closes a member; the lock is held.
func (l *swarmLoop) drop(m *member, err error) {
	delete(l.members, m.fd)
	syscall.Close(m.fd)
	m.ended(err)
}

func (l *swarmLoop) run(ctx context.Context) {
	events := make([]syscall.EpollEvent, swarmBatch)
	piece := make([]byte, swarmPiece)
	for ctx.Err() == nil {
		n, err := syscall.EpollWait(l.epoll, events, swarmWait)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			break
		}
		l.mu.Lock()
		for _, e := range events[:max(n, 0)] {
			m := l.members[int(e.Fd)]
			if m == nil {
				continue // closed since
			}
			if err := m.read(piece); err != nil {
				l.drop(m, err)
			}
		}
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.dropAll(net.ErrClosed)
	syscall.Close(l.epoll)
}

// read takes what there is at the moment.
func (m *member) read(piece []byte) error {
	n, err := syscall.Read(m.fd, piece)
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return nil
	case err != nil:
		return err
	case n == 0:
		return io.EOF
	}
	return m.take(piece[:n])
}

func (m *member) take(piece []byte) error {
	reply, err := m.in.feed(piece)
	if err == nil && len(reply) > 0 {
		_, err = syscall.Write(m.fd, reply) // a few bytes, to a socket that has nothing to send
	}
	return err
}

// cut closes every connection at once.
func (s *swarm) cut() {
	if s == nil {
		return
	}
	for _, l := range s.loops {
		l.mu.Lock()
		l.dropAll(errCut)
		l.mu.Unlock()
	}
}

func (l *swarmLoop) dropAll(err error) {
	for _, m := range l.members {
		l.drop(m, err)
	}
}
