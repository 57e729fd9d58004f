// Package conn writes to many TCP connections from few goroutines. It has no events and no
// subscriptions.
//
// A [Conn] is a connection that is written to without blocking. Bytes that the socket does
// not accept wait in a buffer of the Conn, so an idle connection has no buffer. With TLS, the
// *tls.Conn writes to a gate, which is between TLS and TCP and does not block either. The
// listener of [Gate] puts a gate into each connection.
//
// A [Poller] is one epoll(7) for all connections. It calls the [Watcher] of a Conn when
// the socket can be written again, has bytes to read, or is gone.
//
// The package reads no clock: the caller passes the current time, and the time for which a
// full socket may accept no byte.
//
// Connections can be taken over on Linux. On other systems [CanTakeOver] reports false
// for each connection, and [Open] fails.
package conn
