package limit

import (
	"container/list"
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

	mu        sync.Mutex // guards the fields below and the entries
	conns     map[net.Conn]*connEntry
	waiting   *list.List // entries that wait for a request, the longest first
	byAddress map[netip.Addr]*addressConns
}

// addressConns are the connections of one address.
type addressConns struct {
	n       int
	waiting *list.List
}

type connEntry struct {
	conn    net.Conn
	address netip.Addr
	all     *list.Element // in Conns.waiting; nil if a request is being answered
	own     *list.Element // in addressConns.waiting, the same
	kept    bool          // by the hub
}

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
		conns: make(map[net.Conn]*connEntry), waiting: list.New(), byAddress: make(map[netip.Addr]*addressConns),
	}
}

// Note records the state of a connection. If there are too many connections afterwards, it
// returns the one to close and the limit that is exceeded. It forgets that one at once.
func (c *Conns) Note(conn net.Conn, state http.ConnState) (over net.Conn, why Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.addLocked(conn)
		return c.overLocked(conn)
	case http.StateActive:
		if e := c.conns[conn]; e != nil {
			c.stopWaitingLocked(e)
		}
	case http.StateIdle:
		if e := c.conns[conn]; e != nil && e.all == nil {
			c.waitLocked(e)
		}
	case http.StateHijacked, http.StateClosed:
		if e := c.conns[conn]; e != nil {
			c.removeLocked(e)
		}
	}
	return nil, ""
}

// Keep counts a connection that the hub keeps until its next request. It returns the same as
// Note.
func (c *Conns) Keep(conn net.Conn) (over net.Conn, why Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(conn).kept = true
	return c.overLocked(conn)
}

// Leave ends Keep. It reports false if the connection is not counted, because Keep or Note
// has returned it meanwhile.
func (c *Conns) Leave(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.conns[conn]
	if e == nil {
		return false
	}
	c.removeLocked(e)
	return true
}

// Kept returns the connections that the hub keeps.
func (c *Conns) Kept() (kept []net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn, e := range c.conns {
		if e.kept {
			kept = append(kept, conn)
		}
	}
	return kept
}

func (c *Conns) addLocked(conn net.Conn) *connEntry {
	e := &connEntry{conn: conn, address: peer(conn)}
	c.conns[conn] = e
	own := c.byAddress[e.address]
	if own == nil {
		own = &addressConns{waiting: list.New()}
		c.byAddress[e.address] = own
	}
	own.n++
	c.waitLocked(e)
	return e
}

// overLocked finds the connection to close after a new one was added.
func (c *Conns) overLocked(added net.Conn) (net.Conn, Refusal) {
	address := c.conns[added].address
	own, most := c.byAddress[address], c.perAddress
	if address.IsLoopback() {
		most = c.perLoopback
	}
	switch {
	case own.n > most && address.IsValid() && !c.trusted(address):
		return c.removeLocked(own.waiting.Front().Value.(*connEntry)), AddressConns
	case len(c.conns) > c.most():
		return c.removeLocked(c.waiting.Front().Value.(*connEntry)), ProcessConns
	}
	return nil, ""
}

func (c *Conns) waitLocked(e *connEntry) {
	e.all = c.waiting.PushBack(e)
	e.own = c.byAddress[e.address].waiting.PushBack(e)
}

func (c *Conns) stopWaitingLocked(e *connEntry) {
	if e.all == nil {
		return
	}
	c.waiting.Remove(e.all)
	c.byAddress[e.address].waiting.Remove(e.own)
	e.all, e.own = nil, nil
}

func (c *Conns) removeLocked(e *connEntry) net.Conn {
	c.stopWaitingLocked(e)
	delete(c.conns, e.conn)
	own := c.byAddress[e.address]
	if own.n--; own.n == 0 {
		delete(c.byAddress, e.address)
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
