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
// [Frame], kept in a bounded ring of recent frames, and handed to the live
// subscriptions of its topics. A subscription that is behind (it starts from an old
// cursor, or its reader is slow) holds a position and no queue: it reads on from
// the ring, else from the log, a chunk at a time as its reader takes them, and
// becomes live when it reaches the head. So memory is bounded whatever readers do,
// and a slow one costs the others nothing.
//
// A cursor is judged by [State.Judge] against the history in the database, never
// against what this hub happens to have read: a reader may come from an instance
// that is ahead of this one.
//
// The package imports the standard library only.
package stream
