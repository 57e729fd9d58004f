package limit

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A fakeConn has only an address.
type fakeConn struct {
	net.Conn
	name   string
	remote *net.TCPAddr
}

func (c *fakeConn) RemoteAddr() net.Addr { return c.remote }

func fake(address, name string) *fakeConn {
	return &fakeConn{name: name, remote: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1))}
}

// connTable makes a table of 3 connections for an address, and 5 for the process.
func connTable(t *testing.T) *Conns {
	t.Helper()
	c := NewConns(limiter(t, Config{}), func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.1") })
	c.perAddress, c.most = 3, func() int { return 5 }
	return c
}

// wantOver adds a connection and checks which one is to be closed.
func wantOver(t *testing.T, c *Conns, conn *fakeConn, closed string, why Refusal) {
	t.Helper()
	over, got := c.Note(conn, http.StateNew)
	name := ""
	if over != nil {
		name = over.(*fakeConn).name
	}
	streamtest.Want(t, "closed after "+conn.name, name, closed)
	streamtest.Want(t, "refusal after "+conn.name, got, why)
}

func TestConns_CloseTheOneOfTheAddressThatWaitsLongest(t *testing.T) {
	t.Parallel()
	c := connTable(t)
	busy := fake("192.0.2.1", "busy")
	wantOver(t, c, busy, "", "")
	c.Note(busy, http.StateActive)
	second := fake("192.0.2.1", "second")
	wantOver(t, c, second, "", "")
	wantOver(t, c, fake("192.0.2.1", "third"), "", "")
	c.Note(second, http.StateActive)
	c.Note(second, http.StateIdle) // waits since then
	wantOver(t, c, fake("192.0.2.1", "fourth"), "third", AddressConns)
	wantOver(t, c, fake("192.0.2.2", "other"), "", "")
	c.Note(busy, http.StateHijacked)
	wantOver(t, c, fake("192.0.2.1", "fifth"), "", "")
}

func TestConns_OfAllAddresses(t *testing.T) {
	t.Parallel()
	c := connTable(t)
	for i := range 5 {
		wantOver(t, c, fake("10.0.0.1", fmt.Sprint("of a proxy ", i)), "", "")
	}
	last := fake("192.0.2.1", "last")
	wantOver(t, c, last, "of a proxy 0", ProcessConns)
	c.Note(last, http.StateClosed)
	c.Note(last, http.StateClosed)
	wantOver(t, c, fake("192.0.2.1", "again"), "", "")
}

func TestConns_ForgetClosedOnes(t *testing.T) {
	t.Parallel()
	c := connTable(t)
	for i := range 3 {
		conn := fake("192.0.2.1", fmt.Sprint(i))
		wantOver(t, c, conn, "", "")
		c.Note(conn, http.StateActive)
		c.Note(conn, http.StateClosed)
	}
	streamtest.Want(t, "in memory", inMemory(c), 0)
}

func inMemory(c *Conns) int {
	n := c.n + len(c.conns) + len(c.byAddress)
	for e := c.waiting.first; e != nil; e = e.links[ofProcess].after {
		n++
	}
	return n
}

// Connections that the hub keeps are counted like those of net/http, and closed like them.
func TestConns_CountKeptOnes(t *testing.T) {
	t.Parallel()
	c := connTable(t)
	address := netip.MustParseAddr("::ffff:192.0.2.1")
	keep := func(name string) (*Kept, net.Conn, Refusal) { return c.Keep(fake("192.0.2.1", name), address) }
	first, over, why := keep("first")
	streamtest.Want(t, "one is over", over == nil && why == "", true)
	var all []*Kept
	for over == nil {
		var next *Kept
		if next, over, why = keep(fmt.Sprint(len(all))); len(all) > leastConns {
			t.Fatal("none is over")
		}
		all = append(all, next)
	}
	streamtest.Want(t, "the one that is over", fmt.Sprint(over)+string(why), fmt.Sprint(first.entry.conn)+string(AddressConns))
	streamtest.Want(t, "the one that is over is counted", c.Leave(first), false)
	streamtest.Want(t, "number of kept ones", len(c.Kept()), len(all))
	for i, kept := range all {
		streamtest.Want(t, "it is counted", c.Leave(kept), true)
		streamtest.Want(t, "it is counted after Leave", c.Leave(kept), false)
		streamtest.Want(t, "number of kept ones", len(c.Kept()), len(all)-i-1)
	}
	streamtest.Want(t, "none is counted", c.Leave(nil), false)
	streamtest.Want(t, "in memory", inMemory(c), 0)
}
