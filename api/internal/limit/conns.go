package limit

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
)

const (
	// ownDescriptors is how many descriptors are kept for the database, listeners and files.
	ownDescriptors = 64
	// leastConns is the smallest limit of an address: a browser opens six connections.
	leastConns = 16
)

// Conns counts the connections that net/http holds: those that wait for a request, and
// those whose request is being answered. It also counts those that the hub keeps between two
// polls. Streams and waiting polls that were taken over have slots instead. If there are too many connections, of an address or of the process,
// it names the one that has waited longest for a request, which is to be closed. It is
// safe for concurrent use.
type Conns struct {
	perAddress  int
	perLoopback int
	most        func() int            // of the process
	trusted     func(netip.Addr) bool // addresses of proxies, which are not limited

	mu        sync.Mutex              // guards the fields below and the entries
	n         int                     // of all connections
	conns     map[net.Conn]*connEntry // those of net/http
	waiting   connList
	byAddress map[netip.Addr]*addressConns
}

// addressConns are the connections of one address.
type addressConns struct {
	address netip.Addr
	n       int
	waiting connList
}

type connEntry struct {
	conn    net.Conn
	own     *addressConns
	links   [listKinds]link
	waiting bool // for a request
	kept    bool // by the hub
	removed bool // not counted any more
}

// A Kept is a connection that the hub keeps.
type Kept struct{ entry connEntry }

// NewConns makes a table for the limits of l. An address may have as many connections as
// streams, but no more than an eighth of the file descriptors of the process. Loopback may
// have half of them, unless the limit of streams by address is set. The process may have
// all that its slots leave.
func NewConns(l *Limiter, trusted func(netip.Addr) bool) *Conns {
	files := descriptors()
	perAddress := max(min(l.perAddress, files/8), leastConns)
	perLoopback := files / 2
	if l.countLoopback {
		perLoopback = perAddress
	}
	return &Conns{
		perAddress: perAddress, perLoopback: perLoopback, trusted: trusted,
		most:  func() int { return max(files-ownDescriptors-l.Taken(), leastConns) },
		conns: make(map[net.Conn]*connEntry), waiting: connList{of: ofProcess}, byAddress: make(map[netip.Addr]*addressConns),
	}
}

// Note records the state of a connection. If there are too many connections afterwards, it
// returns the one to close and the limit that is exceeded. It forgets that one at once.
func (c *Conns) Note(conn net.Conn, state http.ConnState) (over net.Conn, why Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		e := &connEntry{conn: conn}
		c.conns[conn] = e
		return c.addLocked(e, peer(conn))
	case http.StateActive:
		if e := c.conns[conn]; e != nil {
			c.stopWaitingLocked(e)
		}
	case http.StateIdle:
		if e := c.conns[conn]; e != nil && !e.waiting {
			c.waitLocked(e)
		}
	case http.StateHijacked, http.StateClosed:
		if e := c.conns[conn]; e != nil {
			c.removeLocked(e)
		}
	}
	return nil, ""
}

// Keep counts a connection that the hub keeps until its next request, from an IP address. It
// returns the same as Note.
func (c *Conns) Keep(conn net.Conn, address netip.Addr) (kept *Kept, over net.Conn, why Refusal) {
	kept = &Kept{connEntry{conn: conn, kept: true}}
	address = client(address.WithZone(""))
	c.mu.Lock()
	defer c.mu.Unlock()
	over, why = c.addLocked(&kept.entry, address)
	return kept, over, why
}

// Leave ends Keep. It reports false if the connection is not counted: Keep or Note has
// returned it, Leave was called before, or kept is nil.
func (c *Conns) Leave(kept *Kept) bool {
	if kept == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if kept.entry.removed {
		return false
	}
	c.removeLocked(&kept.entry)
	return true
}

// Kept returns the connections that the hub keeps.
func (c *Conns) Kept() (kept []net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.waiting.first; e != nil; e = e.links[ofProcess].after {
		if e.kept {
			kept = append(kept, e.conn)
		}
	}
	return kept
}

// addLocked adds a connection that waits for a request. If there are too many connections
// afterwards, it returns the one to close, like Note.
func (c *Conns) addLocked(e *connEntry, address netip.Addr) (net.Conn, Refusal) {
	own := c.byAddress[address]
	if own == nil {
		own = &addressConns{address: address, waiting: connList{of: ofAddress}}
		c.byAddress[address] = own
	}
	e.own = own
	own.n++
	c.n++
	c.waitLocked(e)
	most := c.perAddress
	if address.IsLoopback() {
		most = c.perLoopback
	}
	switch {
	case own.n > most && address.IsValid() && !c.trusted(address):
		return c.removeLocked(own.waiting.first), AddressConns
	case c.n > c.most():
		return c.removeLocked(c.waiting.first), ProcessConns
	}
	return nil, ""
}

func (c *Conns) waitLocked(e *connEntry) {
	e.waiting = true
	c.waiting.push(e)
	e.own.waiting.push(e)
}

func (c *Conns) stopWaitingLocked(e *connEntry) {
	if !e.waiting {
		return
	}
	e.waiting = false
	c.waiting.remove(e)
	e.own.waiting.remove(e)
}

func (c *Conns) removeLocked(e *connEntry) net.Conn {
	c.stopWaitingLocked(e)
	e.removed = true
	if !e.kept {
		delete(c.conns, e.conn)
	}
	c.n--
	if e.own.n--; e.own.n == 0 {
		delete(c.byAddress, e.own.address)
	}
	return e.conn
}

// peer returns the address at the other end by which it is counted; the zero Addr if there
// is none, as for Unix sockets.
func peer(conn net.Conn) netip.Addr {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return client(tcp.AddrPort().Addr().WithZone(""))
}
