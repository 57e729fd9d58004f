// Package stream is the delivery core: it takes the log of events and brings each
// reader of a topic all of that topic's events, in order, from any cursor on.
//
// # The contract
//
// Events are numbered in commit order, by the log. A [Cursor] names a position in
// it. A [Subscription] to some topics from some cursor returns every event of these
// topics after the cursor, each once, in order: first those that are past, then
// those to come, and its caller cannot tell where one ends. Where that is
// impossible it returns a [GapError] that says so, and goes on from the head.
//
// Ephemeral events (typing) have no position. They reach whoever is live at that
// moment, newest state only, and move no cursor.
//
// # How
//
// One [Hub] a process follows the log. Each batch it reads is encoded once, as
// [Frame], kept in a bounded ring of recent frames, and offered to the live
// subscriptions of its topics, which are spread over a few shards: one worker each,
// none of which waits for another or for a reader. A batch marks the subscriptions it
// concerns; the worker then writes to each marked one once, all its frames together,
// straight to the connection and without blocking. So an event costs no goroutine, no
// channel and no allocation for each of its readers, and a busy hub writes less often,
// not more.
//
// A subscription that is behind (it starts from an old cursor, or its reader is slow)
// holds a position and no queue: it reads on from the ring, else from the log, a chunk
// at a time as its socket drains, and becomes live when it reaches the shard's head.
// Reads of the log are few at once, and each is for all who can use it. So memory is
// bounded whatever readers do, and a slow one costs the others nothing.
//
// Of a comment-count or like-update, a reader of a stream may be given the newest
// alone; likes of a hot post are held for up to 260 ms for that. An event is left out
// only in favour of a later one of the same target that is written with it, and what is
// held waits in its place, so cursors stay exact.
//
// # Who writes
//
//   - [Feed]: a stream, from stream.ready to stream.bye, with its heartbeats,
//     checkpoints and warnings. The hub writes it to a connection that it was given
//     (TakeOver, on Linux), or a goroutine does (Run: HTTP/2, other systems).
//   - [Subscription]: for those who take (Next, Take), or wait for one answer: in a
//     goroutine, or parked, with the hub waiting in its place (Park).
//
// Heartbeats and all other times hang in one timer wheel a shard; sockets that are full
// or gone are learned from one epoll, edge-triggered.
//
// A cursor is judged by [State.Judge] against the history in the database, never
// against what this hub happens to have read: a reader may come from an instance
// that is ahead of this one.
//
// The package imports the standard library only.
package stream
