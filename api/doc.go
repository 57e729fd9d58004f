// Package api is Tidings over HTTP: it authenticates, parses, asks the store and
// the hub, and answers JSON, event streams and problems.
//
// # Routes
//
//	GET    /v1/posts/{post}             one post with its counts
//	PUT    /v1/posts/{post}             create or replace a post      service, admin
//	GET    /v1/posts/{post}/comments    one page, with the cursor of its snapshot
//	POST   /v1/posts/{post}/comments    publish a comment             signed in
//	DELETE /v1/comments/{id}            take a comment back           author, moderator
//	PUT    /v1/posts/{post}/like        like, unlike: idempotent      signed in
//	DELETE /v1/posts/{post}/like
//	GET    /v1/counts?post=…            counts for index pages
//	POST   /v1/posts/{post}/typing      a signal, never stored        signed in
//	GET    /v1/notifications            one's own                     signed in
//	POST   /v1/publish                  any event to any topic        service
//	POST   /v1/ticket                   a token's stand-in in a URL   signed in
//	GET    /v1/events?topic=…           Server-Sent Events            by topic
//	GET    /v1/poll?topic=…             the same events by long-poll  by topic
//	GET    /healthz, /readyz, /metrics  alive; delivering; figures for Prometheus
//
// # Reading topics
//
// post:… and the configured public kinds are everyone's; user:… is that user's, and
// "me" is short for one's own; site:… is for moderators, admins and services. What
// may be read is decided before the first byte, and a stream ends with its token.
//
// # Readers
//
// A reader takes a seat within the limits, then a feed or a subscription of the hub.
// Over HTTP/1.1 the connection is then taken over from net/http, and the handler ends:
// the hub writes, and hands the connection back when it is free again. Over HTTP/2 the
// handler's goroutine does the same.
//
// # Errors
//
// Every error is an RFC 9457 problem with a stable code, also those of the router
// and of panics: one table in problem.go, one page in docs/problems.md.
package api
