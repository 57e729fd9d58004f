package tcpproxy

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Way is a direction of a connection, or both: ToServer|ToClient.
type Way int

// The two directions of a connection.
const (
	ToServer Way = 1 << iota
	ToClient
)

// Cut resets all open connections and returns how many there were. New connections
// work.
func (p *Proxy) Cut() int {
	all := p.current()
	for _, l := range all {
		for _, c := range []net.Conn{l.client, l.server} {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // close with a reset; fails only if c is closed
			}
		}
		l.close()
	}
	return len(all)
}

// Blackhole drops all bytes that are sent over the connections that are open now, in
// both directions. They stay open until the client closes them: a client does not even
// see that the server has closed its end. New connections work. It returns how many
// open connections worked until now.
func (p *Proxy) Blackhole() (working int) {
	for _, l := range p.current() {
		l.holed.Do(func() { close(l.hole); working++ })
	}
	return working
}

// Limit lets so many bytes a second pass, per connection and direction; 0 ends the
// limit.
func (p *Proxy) Limit(bytesPerSecond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = bytesPerSecond
}

// Delay delays each piece that the server sends by a random time between mean/2 and
// 3*mean/2; 0 ends the delay. Order within a connection is kept.
func (p *Proxy) Delay(mean time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = mean
}

// A Hold is a time in which a proxy holds bytes back.
type Hold struct {
	proxy    *Proxy
	ways     Way
	held     int // guarded by proxy.mu
	released chan struct{}
	once     sync.Once // closes released
}

// Hold holds back all bytes that arrive from now on in the given directions, those of
// new connections too. It replaces an earlier Hold for bytes that arrive later.
func (p *Proxy) Hold(ways Way) *Hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = &Hold{proxy: p, ways: ways, released: make(chan struct{})}
	return p.hold
}

// Held returns how many pieces have been held back so far. A connection holds back at
// most one in each direction: the proxy then reads no further.
func (h *Hold) Held() int {
	h.proxy.mu.Lock()
	defer h.proxy.mu.Unlock()
	return h.held
}

// End lets the bytes pass that arrive from now on. Bytes that are held back stay so,
// together with all that follow them on their connection, until Release.
func (h *Hold) End() {
	h.proxy.mu.Lock()
	defer h.proxy.mu.Unlock()
	if h.proxy.hold == h {
		h.proxy.hold = nil
	}
}

// Release lets all bytes pass, those that were held back first. It may be called more
// than once.
func (h *Hold) Release() {
	h.End()
	h.once.Do(func() { close(h.released) })
}

// arrived notes that n bytes have arrived. It returns the hold that keeps them back,
// nil if none does, and the pause that the rate and the delay ask for.
func (p *Proxy) arrived(n int, way Way) (hold *Hold, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold != nil && p.hold.ways&way != 0 {
		hold = p.hold
		hold.held++
	}
	if p.rate > 0 {
		pause = time.Duration(n) * time.Second / time.Duration(p.rate)
	}
	if p.delay > 0 && way == ToClient {
		pause += p.delay/2 + rand.N(p.delay)
	}
	return hold, pause
}

// chunk is how many bytes are read at once.
func (p *Proxy) chunk() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate > 0 {
		return slowChunk
	}
	return fastChunk
}
