package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A floorServer does the least work that delivers an event: nearly all of its CPU time is
// the kernel's. It has one thread and one loop, and serves nothing but the benchmark.
type floorServer struct {
	epoll    int            // file descriptor
	socket   int            // file descriptor that accepts connections
	readers  []int          // file descriptors of the readers, in no order
	index    map[int]int    // of each file descriptor in readers
	requests map[int][]byte // incomplete requests by file descriptor
	events   int            // number of published events
}

// floorHead is the response to each GET. Each event follows as one chunk.
const floorHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

// serveFloor serves on addr, an IPv4 address with a port, until ctx ends. Any GET opens an
// event stream, whatever its path, and any POST publishes its body to all streams.
func serveFloor(ctx context.Context, addr string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f := &floorServer{index: map[int]int{}, requests: map[int][]byte{}}
	if err := f.listen(addr); err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	ready := make([]syscall.EpollEvent, 256)
	piece := make([]byte, 16<<10)
	for ctx.Err() == nil {
		n, err := syscall.EpollWait(f.epoll, ready, 100)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("wait: %w", err)
		}
		for _, e := range ready[:max(n, 0)] {
			if fd := int(e.Fd); fd == f.socket {
				f.accept()
			} else {
				f.read(fd, piece)
			}
		}
	}
	return nil
}

// listen opens the listening socket and the epoll descriptor.
func (f *floorServer) listen(addr string) (err error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return err
	}
	if !at.Addr().Is4() {
		return net.InvalidAddrError("want an IPv4 address")
	}
	if f.socket, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if err = syscall.Bind(f.socket, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return err
	}
	if err = syscall.Listen(f.socket, 4096); err != nil {
		return err
	}
	if f.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return err
	}
	return f.watch(f.socket)
}

// watch adds a descriptor to the epoll descriptor, for reading.
func (f *floorServer) watch(fd int) error {
	return syscall.EpollCtl(f.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
}

// accept accepts all connections that wait.
func (f *floorServer) accept() {
	for {
		fd, _, err := syscall.Accept4(f.socket, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err != nil {
			return // no more connections wait
		}
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		if f.watch(fd) != nil {
			syscall.Close(fd)
		}
	}
}

// read reads once from a connection and answers a complete request: a GET subscribes, and a
// POST publishes its body. It keeps the bytes of an incomplete request until the next read.
func (f *floorServer) read(fd int, piece []byte) {
	n, err := syscall.Read(fd, piece)
	if errors.Is(err, syscall.EAGAIN) {
		return
	}
	if err != nil || n == 0 {
		f.close(fd)
		return
	}
	f.requests[fd] = append(f.requests[fd], piece[:n]...)
	body, ok := wholeRequest(f.requests[fd])
	if !ok {
		return
	}
	isPost := f.requests[fd][0] == 'P'
	if !isPost {
		f.index[fd] = len(f.readers)
		f.readers = append(f.readers, fd)
		f.write(fd, []byte(floorHead))
	} else {
		f.publish(body)
		f.write(fd, []byte("HTTP/1.1 204 No Content\r\n\r\n"))
	}
	delete(f.requests, fd)
}

// wholeRequest returns the body of a request, or false if the request is incomplete. It
// understands the header Content-Length only, as Go's client writes it.
func wholeRequest(b []byte) (body []byte, ok bool) {
	head, rest, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return nil, false
	}
	_, after, found := bytes.Cut(head, []byte("Content-Length: "))
	if !found {
		return nil, true
	}
	line, _, _ := bytes.Cut(after, []byte("\r\n"))
	length, err := strconv.Atoi(string(line))
	if err != nil || len(rest) < length {
		return nil, false
	}
	return rest[:length], true
}

// publish writes the event to every reader. The bytes are those of a Tidings event, so that
// the kernel's work for one delivery is the same.
func (f *floorServer) publish(data []byte) {
	f.events++
	event := fmt.Sprintf("event: %s\ntopic: post:peers-0\ndata: %s\nid: 1-%d\n\n", eventName, data, f.events)
	chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", len(event), event)
	for i := len(f.readers) - 1; i >= 0; i-- { // close may replace readers[i] by the last one, which has its event already
		f.write(f.readers[i], chunk)
	}
}

// write sends b with send(2), which is a little cheaper than write(2). If a reader's
// socket is full it waits, and all other readers wait too.
func (f *floorServer) write(fd int, b []byte) {
	for len(b) > 0 {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), syscall.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			b = b[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			awaitRoom(fd)
		default:
			f.close(fd)
			return
		}
	}
}

// awaitRoom waits with ppoll(2) until a full socket accepts bytes, for a second at most.
func awaitRoom(fd int) {
	const pollOut = 4
	of := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: pollOut}
	timeout := syscall.Timespec{Sec: 1}
	_, _, _ = syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&of)), 1, uintptr(unsafe.Pointer(&timeout)), 0, 0, 0) // the next send reports any error
}

// close closes a connection, of a reader or a publisher.
func (f *floorServer) close(fd int) {
	delete(f.requests, fd)
	if i, ok := f.index[fd]; ok {
		last := f.readers[len(f.readers)-1]
		f.readers[i], f.index[last] = last, i
		f.readers = f.readers[:len(f.readers)-1]
		delete(f.index, fd)
	}
	syscall.Close(fd)
}
