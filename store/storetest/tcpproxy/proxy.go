package tcpproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// dialLimit is how long the server may take to accept a connection.
const dialLimit = 5 * time.Second

// Proxy passes TCP connections on. Its methods may be called from any goroutine.
type Proxy struct {
	socket net.Listener
	dial   func(context.Context) (net.Conn, error)
	links  sync.WaitGroup

	mu     sync.Mutex // guards the fields below and Hold.held
	open   map[*link]struct{}
	closed bool
	hold   *Hold         // nil: nothing is held back
	rate   int           // bytes a second; 0: no limit
	delay  time.Duration // mean delay to the client; 0: none
}

// Listen makes a proxy that listens on a free port of 127.0.0.1. For each client that
// connects, it calls dial to connect to the server, with a limit of 5 s. It closes the
// connection of the client if dial fails.
func Listen(dial func(context.Context) (net.Conn, error)) (*Proxy, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &Proxy{socket: socket, dial: dial, open: make(map[*link]struct{})}
	p.links.Go(p.accept)
	return p, nil
}

// Addr is the address that clients connect to, as host:port.
func (p *Proxy) Addr() string { return p.socket.Addr().String() }

// Open returns how many connections are open.
func (p *Proxy) Open() int { return len(p.current()) }

// Close closes all connections and returns when all goroutines of the proxy have ended.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.socket.Close()
	for _, l := range p.current() {
		l.close()
	}
	p.links.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.links.Go(func() { p.connect(client) })
		}
	}
}

// connect carries one client's connection until it ends.
func (p *Proxy) connect(client net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	server, err := p.dial(ctx)
	if err != nil {
		client.Close()
		return
	}
	l := &link{proxy: p, client: client, server: server, done: make(chan struct{}), hole: make(chan struct{})}
	if p.register(l) {
		l.carry()
		p.remove(l)
	}
	l.close()
}

// register adds l to the open connections. It returns false if the proxy is closed.
func (p *Proxy) register(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.open[l] = struct{}{}
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, l)
}

// current returns the connections that are open.
func (p *Proxy) current() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*link, 0, len(p.open))
	for l := range p.open {
		all = append(all, l)
	}
	return all
}
