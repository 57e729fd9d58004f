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
	epollTimeout = 20       // milliseconds until a waiting loop checks whether ctx has ended
	epollBatch   = 512      // events that one epoll_wait returns at most
	epollBuffer  = 64 << 10 // bytes that one read(2) returns at most
)

// epollReaders reads many connections with a few goroutines, one for each epoll loop. A
// waiting connection costs a few hundred bytes and no goroutine, and a connection with
// data costs one read(2). A nil *epollReaders takes no connections.
type epollReaders struct {
	loops []*epollLoop
}

// An epollLoop is one epoll descriptor and the goroutine that waits on it.
type epollLoop struct {
	epoll int
	mu    sync.Mutex         // guards conns and ended
	conns map[int]*epollConn // by file descriptor
	ended bool               // the loop has returned
}

// An epollConn is one connection of a loop.
type epollConn struct {
	fd    int
	in    feeder
	ended func(error) // called once, under the loop's lock, when the connection is removed
}

var errCut = errors.New("closed by the benchmark")

// newEpollReaders starts one loop for every two cores, so that the server on the same
// machine keeps the others. The loops end with ctx.
func newEpollReaders(ctx context.Context, spawn func(func())) (*epollReaders, error) {
	s := &epollReaders{}
	for range max(1, runtime.NumCPU()/2) {
		epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
		if err != nil {
			return nil, fmt.Errorf("create epoll: %w", err)
		}
		l := &epollLoop{epoll: epoll, conns: map[int]*epollConn{}}
		s.loops = append(s.loops, l)
		spawn(func() { l.run(ctx) })
	}
	return s, nil
}

// add takes over a connection and the bytes that c has buffered. It returns false, and
// leaves c alone, if the connection is not plain TCP. When the connection ends, the loop
// calls ended once, with its lock held: ended must not block.
func (s *epollReaders) add(c *rawConn, in feeder, ended func(error)) bool {
	tcp, ok := c.Conn.(*net.TCPConn)
	if s == nil || !ok {
		return false
	}
	fd, err := duplicate(tcp)
	if err != nil {
		return false
	}
	early, _ := c.in.Peek(c.in.Buffered()) // never an error for what is buffered
	m := &epollConn{fd: fd, in: in, ended: ended}
	c.close()
	l := s.loops[fd%len(s.loops)]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[fd] = m
	if err := l.addLocked(m, early); err != nil {
		l.removeLocked(m, err)
	}
	return true
}

// duplicate returns a file descriptor of the connection that Go's network poller does
// not know. Closing it resets the connection: thousands of connections in TIME_WAIT
// would use up the ports.
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

// addLocked feeds m the bytes that were read before, and registers it. l.mu is held.
func (l *epollLoop) addLocked(m *epollConn, early []byte) error {
	if l.ended {
		return net.ErrClosed
	}
	if err := m.take(early); err != nil {
		return err
	}
	return syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, m.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP, Fd: int32(m.fd)})
}

// removeLocked closes m and reports its end. l.mu is held.
func (l *epollLoop) removeLocked(m *epollConn, err error) {
	delete(l.conns, m.fd)
	syscall.Close(m.fd)
	m.ended(err)
}

// run reads the loop's connections until ctx ends, and then removes them.
func (l *epollLoop) run(ctx context.Context) {
	events := make([]syscall.EpollEvent, epollBatch)
	piece := make([]byte, epollBuffer)
	for ctx.Err() == nil {
		n, err := syscall.EpollWait(l.epoll, events, epollTimeout)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			break
		}
		l.mu.Lock()
		for _, e := range events[:max(n, 0)] {
			m := l.conns[int(e.Fd)]
			if m == nil {
				continue // removed since epoll_wait returned
			}
			if err := m.read(piece); err != nil {
				l.removeLocked(m, err)
			}
		}
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.removeAllLocked(net.ErrClosed)
	syscall.Close(l.epoll)
}

// read passes the bytes of one read(2) to the feeder.
func (m *epollConn) read(piece []byte) error {
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

// take feeds m and sends the feeder's reply.
func (m *epollConn) take(piece []byte) error {
	reply, err := m.in.feed(piece)
	if err == nil && len(reply) > 0 {
		_, err = syscall.Write(m.fd, reply) // a few bytes into an empty send buffer: never partial
	}
	return err
}

// cut closes all connections at once.
func (s *epollReaders) cut() {
	if s == nil {
		return
	}
	for _, l := range s.loops {
		l.mu.Lock()
		l.removeAllLocked(errCut)
		l.mu.Unlock()
	}
}

// cutSome closes n connections, and returns how many it closed.
func (s *epollReaders) cutSome(n int) (cut int) {
	if s == nil {
		return 0
	}
	for i, l := range s.loops {
		cut += l.cutSome((n - cut) / (len(s.loops) - i))
	}
	return cut
}

func (l *epollLoop) cutSome(n int) (cut int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.conns {
		if cut == n {
			break
		}
		l.removeLocked(m, errCut)
		cut++
	}
	return cut
}

// removeAllLocked removes all connections. l.mu is held.
func (l *epollLoop) removeAllLocked(err error) {
	for _, m := range l.conns {
		l.removeLocked(m, err)
	}
}
