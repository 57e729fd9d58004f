// Package conn writes to many TCP connections from few goroutines. It knows nothing of
// events or subscriptions.
//
// A [Conn] is a connection whose bytes go to the socket without blocking. Bytes that the
// socket does not take wait in a buffer of the Conn, so an idle connection has none. With
// TLS, the *tls.Conn writes into a [Gate] between it and TCP, and the gate does the same.
//
// A [Poller] is one epoll(7) for all connections. It calls the [Watcher] of a Conn when
// the socket can be written again, has something to read (with TLS only), or is gone.
//
// Nothing here reads a clock: the caller gives the time of each call and how long a full
// socket may take nothing.
//
// Connections can be taken over on Linux. On other systems [CanTakeOver] reports false
// for each connection, and [Open] fails.
package conn
