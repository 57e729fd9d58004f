// Package takeover moves an HTTP/1.1 connection out of net/http, so that a reader that
// waits costs no goroutine, and back, so that the connection can serve its next request.
//
//  1. [WithConn] notes each accepted connection in the contexts of its requests. It is
//     called by the ConnContext hook of the http.Server.
//  2. [Take] hijacks the connection of a request whose reader is admitted. The handler
//     returns; package stream writes the response, which begins with [Head].
//  3. When the response is complete and the connection can be kept, [Listener.Return]
//     gives it back: the same http.Server accepts it from this listener. If bytes of the
//     next request were read meanwhile, the server reads them first.
//
// Package api connects the three in (*api.Server).Serve.
package takeover
