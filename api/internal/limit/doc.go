// Package limit bounds what readers and clients may take of one process.
//
//   - A [Slot] is the right to hold one stream or waiting poll. Slots are counted for
//     the process, for each client address and for each user. A new reader never
//     displaces an existing one: it gets a [Refusal].
//   - A [Rates] is a token bucket for each key: new streams, replays from old cursors,
//     typing signals, what a user writes ([Writes]).
//   - A [ByteBudget] bounds the memory of answers that are not streams.
//   - [Limiter.Begin] bounds the requests of an address that are in progress.
//   - [Conns] bounds the connections that wait for a request.
//   - [ClientAddress] identifies a client by its IPv4 address or IPv6 /64, taken from
//     X-Forwarded-For only if a trusted proxy sent it.
//
// The package knows no route and no HTTP status: package api turns a refusal into a problem.
package limit
