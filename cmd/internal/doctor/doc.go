// Package doctor checks what the proxies between browsers and a Tidings server, and the
// settings of its database, do to delivery. Run makes the checks from outside, as a
// browser would, against an installation that is in use:
//
//	reachable   /healthz and /readyz answer 200
//	buffering   a stream begins at once, and is not compressed
//	delay       events arrive as soon as they are committed (needs a token)
//	idle        a stream that has only heartbeats stays open
//	poll        a poll may wait for 28 s
//	own-origin  a page of the server's own origin may write
//	addresses   the server sees the addresses of clients (needs a token)
//	database    version, encoding, notifications, connections (needs a database URL)
//
// The checks run at the same time, so a run takes as long as the longest one. With a token
// they publish up to 31 events, of topics with no other readers; otherwise they write nothing.
//
// A check that finds a fault names the line that mends it, for the proxy that the answers
// name in Server or Via, or for each proxy that docs/proxies.md describes. The lines are
// in advice.go; a test compares them with that page.
package doctor
