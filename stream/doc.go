// Package stream is the delivery core: it follows the log of events and brings each
// reader of a topic all events of that topic, in order, from any cursor on.
//
// # The contract
//
// Events are numbered in commit order, by the log. A [Cursor] names a position in it. A
// [Subscription] to some topics from some cursor returns every event of these topics after
// the cursor, each once, in order: first those that are past, then those to come, and its
// caller cannot tell where one ends. Where that is impossible it returns a [GapError] that
// says so, and goes on from the head.
//
// Ephemeral events (typing) have no position. They reach the readers that are live at that
// moment, newest state only, and move no cursor.
//
// A cursor is judged by [State.Judge] against the history in the database, never against
// what this hub has read: a reader may come from an instance that is ahead of this one.
//
// # From the log to a socket
//
// One [Hub] in a process follows the log (follow.go). Each batch is encoded once, as
// [Frame], kept in a ring of recent frames (ring.go), and offered to the live subscriptions
// of its topics. These are spread over shards (shard.go) with one worker each; no shard
// waits for another or for a reader. A batch marks the subscriptions that it concerns, and
// the worker runs the driver of each marked one once, with all its frames together. So an
// event costs no goroutine, no channel and no allocation for each reader, and a busy hub
// writes less often, not more. All timers are in one timer wheel for each shard (wheel.go).
//
// A subscription has three parts: a position (where the reader stands, live or behind), a
// backlog (the frames that wait for it) and an entry (what the scheduler of the shard knows
// of it, schedule.go). A reader that is behind has a position and no queue: it reads on
// from the ring, else from the log, a chunk at a time as its socket drains, until it is live
// (catchup.go). Reads of the log are few at once and each serves many readers (replay.go).
// So memory is bounded, and a slow reader costs the others nothing.
//
// Readers of a stream may get the newest of several counts in place of all. conflate.go has
// the rule and everything that carries it out.
//
// # One driver
//
// A driver (driver.go) serves one reader. It asks a composer what to write, when it is due
// again and whether the reader has ended. There are two composers:
//
//   - [Feed], an event stream from stream.ready to stream.bye (feed.go);
//   - [LongPoll], a poll that is answered once (poll.go). Its caller turns a [PollResult]
//     into the bytes of an HTTP response.
//
// Two loops run a driver. Run is a goroutine that may block, for HTTP/2 and for systems
// other than Linux. With TakeOver, the worker of the shard writes to a socket of our own
// without blocking (takeover.go, internal/conn), and an idle reader costs no goroutine. A
// reader ends in one place, which counts its [End].
//
// The package imports only the standard library.
package stream
