// Package api is Tidings over HTTP. It authenticates a request, parses it, asks the store
// or the hub, and answers with JSON, an event stream or a problem. It has no SQL.
//
// # Where things are
//
//   - routes.go is the list of all routes. The README describes each of them.
//   - Each resource has one file with its handlers, the JSON that they show and the small
//     interface that they need of the store: comments.go, posts.go, likes.go, counts.go,
//     notifications.go, typing.go, publish.go, tickets.go, health.go, inspect.go, demo.go.
//   - rendered.go, rendered_page.go and rendered_feed.go make documents of the comments of a
//     post for readers without scripts; scripts.go serves what pages of other sites load, and
//     pages.go our own pages. Package web has the files.
//   - events.go and poll.go deliver events. Both parse their request in subscribe.go and
//     pass the limits in admit.go; topics.go decides which topics a user may read.
//   - problem.go has the table of problems, and turns each error into one of them.
//   - server.go makes the server and its middleware; serve.go opens and closes
//     connections.
//
// Four packages do what needs no route: [github.com/tidings-live/tidings/api/auth] finds
// the user of a request; internal/limit counts connection slots and rates;
// internal/takeover moves connections out of net/http and back; internal/metrics answers
// GET /metrics.
//
// # A request
//
// The middleware runs in this order: request id, recovery from panics, origin (CORS),
// routing, metrics, and for /v1/ routes authentication. A handler returns an error
// instead of writing one: handleError is the only place that answers with it.
//
// # Readers
//
// A reader is a stream or a poll. It takes a connection slot within the limits, then a
// feed or a long poll of the hub. Over HTTP/1.1 the connection is then taken over from
// net/http and the handler returns: package stream writes to the socket, and the
// connection is given back when the reader ends. Over HTTP/2 the handler stays and writes.
// All of it ends when the token ends.
//
// # Errors
//
// Every error is an RFC 9457 problem with a stable code, also those of the router and of
// panics. docs/problems.md has a section for each code.
package api
