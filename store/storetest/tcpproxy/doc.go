// Package tcpproxy passes TCP connections on to a server and, on request, does to them
// what networks do: it resets them, drops or holds back what is sent over them, delays
// it, or limits their rate. The tests use it and so does `tidings verify --chaos`.
//
//	p, err := tcpproxy.Listen(dial)
//	…
//	connect(p.Addr())
//	…
//	hold := p.Hold(tcpproxy.ToServer | tcpproxy.ToClient)
//	…
//	hold.Release()
//	…
//	err = p.Close()
//
// Postgres makes a proxy in front of a database and the DSN that leads through it.
package tcpproxy
