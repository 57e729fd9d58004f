package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// slowChunk is how much goes through at once while a proxy is slow.
	slowChunk = 4 << 10
	fastChunk = 32 << 10
)

// A proxy passes TCP connections on, and can do to them what networks do. It is safe
// for concurrent use.
type proxy struct {
	socket net.Listener
	dial   func(context.Context) (net.Conn, error)
	links  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	open    map[*link]struct{}
	closed  bool
	stalled chan struct{} // closed when bytes go through again; nil while they do
	rate    int           // bytes a second and direction of a link; 0: as fast as can be
}

// A link is one connection through a proxy.
type link struct {
	near, far net.Conn
	done      chan struct{} // closed with it
	once      sync.Once
	hole      chan struct{} // closed when all that is sent vanishes
	sunk      sync.Once
}

// newProxy listens on 127.0.0.1 and passes on to whatever dial reaches.
func newProxy(ctx context.Context, dial func(context.Context) (net.Conn, error)) (*proxy, error) {
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &proxy{socket: socket, dial: dial, open: make(map[*link]struct{})}
	p.links.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.socket.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.links.Go(func() { p.connect(near) })
		}
	}
}

func (p *proxy) connect(near net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	far, err := p.dial(ctx)
	if err != nil {
		near.Close()
		return
	}
	l := &link{near: near, far: far, done: make(chan struct{}), hole: make(chan struct{})}
	if !p.register(l) {
		l.close()
		return
	}
	var ways sync.WaitGroup
	ways.Go(func() {
		p.pump(l, near, far)
		if l.sunken() {
			<-l.done // the end of the far end vanishes, too
		}
		l.close()
	})
	ways.Go(func() { defer l.close(); p.pump(l, far, near) })
	ways.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, l)
}

func (p *proxy) register(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.open[l] = struct{}{}
	return true
}

// pump carries one way until either end closes.
func (p *proxy) pump(l *link, dst, src net.Conn) {
	buffer := make([]byte, fastChunk)
	for {
		n, err := src.Read(buffer[:p.chunk()])
		if n > 0 && !p.admit(l, n) {
			return
		}
		if n > 0 && !l.sunken() {
			if _, err := dst.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) chunk() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate > 0 {
		return slowChunk
	}
	return fastChunk
}

// admit waits until so many bytes may pass; it reports false when the link has
// closed meanwhile.
func (p *proxy) admit(l *link, n int) bool {
	p.mu.Lock()
	stalled, rate := p.stalled, p.rate
	p.mu.Unlock()
	if stalled != nil {
		select {
		case <-stalled:
		case <-l.hole:
		case <-l.done:
			return false
		}
	}
	if rate > 0 {
		select {
		case <-time.After(time.Duration(n) * time.Second / time.Duration(rate)):
		case <-l.done:
			return false
		}
	}
	return true
}

func (l *link) sunken() bool {
	select {
	case <-l.hole:
		return true
	default:
		return false
	}
}

func (l *link) close() {
	l.once.Do(func() { close(l.done); l.near.Close(); l.far.Close() })
}

// current are the links of the moment.
func (p *proxy) current() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*link, 0, len(p.open))
	for l := range p.open {
		all = append(all, l)
	}
	return all
}

// cut breaks all connections off and returns how many there were.
func (p *proxy) cut() int {
	all := p.current()
	for _, l := range all {
		for _, c := range []net.Conn{l.near, l.far} {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset, no goodbye; closed already is cut as well
			}
		}
		l.close()
	}
	return len(all)
}

// sink leaves all connections open and lets what is sent over them vanish, for good.
// New ones work. It returns how many it was that still worked.
func (p *proxy) sink() (working int) {
	for _, l := range p.current() {
		l.sunk.Do(func() { close(l.hole); working++ })
	}
	return working
}

// stall holds all bytes back, those of new connections too, until the function that
// it returns is called; then they go on. One at a time may stall.
func (p *proxy) stall() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stalled := make(chan struct{})
	p.stalled = stalled
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.stalled = nil
		close(stalled)
	}
}

// slow lets so many bytes a second through, for each connection and direction; 0
// lets all through again.
func (p *proxy) slow(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = rate
}

// close ends all connections and waits until they are gone.
func (p *proxy) close() error {
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
