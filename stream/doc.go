// Package stream delivers events: it follows the log of events and sends each reader of a
// topic all events of that topic, in order, from any cursor on.
//
// # The contract
//
// The log numbers events in commit order. A [Cursor] is a position in the log. A
// [Subscription] to some topics from a cursor returns every event of these topics after the
// cursor, each once, in order: first the past events, then each new one. Its caller cannot
// tell where the past ends. If that is impossible, it returns a [GapError] and continues at
// the head, the position of the newest event.
//
// Ephemeral events (typing, presence, signals of the site) have no position. Only readers
// that are live at that moment
// receive them, each only the newest state, and they move no cursor. Presence is only for
// readers that ask for it.
//
// [State.Judge] decides whether a reader can resume from a cursor. It compares the cursor
// with the history in the database, never with the events that this hub has read: the reader
// may come from an instance that has read more.
//
// # From the log to a socket
//
// A process has one [Hub], which follows the log (follow.go). It encodes each event once, as
// a [Frame], keeps the frame in a ring of recent frames (ring.go), and offers it to the live
// subscriptions of its topic. The subscriptions are spread over shards (shard.go), each with
// one worker. No shard waits for another shard or for a reader. A new frame marks each of
// its subscriptions. The worker then runs the driver of each marked subscription once, with
// all frames that wait for it. So an event costs no goroutine, no channel and no allocation
// for each reader, and under load one write carries more events. The timers of a shard are
// in one timer wheel (wheel.go).
//
// A subscription has three parts: a position (live or behind, and at which cursor), a
// backlog (the frames that wait for it) and an entry (its marks, topics and timer in the
// shard, schedule.go). A reader that is behind has a position and no queue: it reads one
// chunk at a time, as its socket accepts it, from the ring or otherwise from the log, until
// it is live (catchup.go). Few reads of the log happen at the same time, and each serves
// many readers (replay.go). So memory is bounded, and a slow reader does not delay others.
//
// Readers of a stream may get only the newest of several counts: see conflate.go.
//
// # One driver
//
// A driver (driver.go) serves one reader. Its composer decides which bytes are written, when
// it is called next, and when the reader ends. There are two composers:
//
//   - [Feed], an event stream from stream.ready to stream.bye (feed.go);
//   - [LongPoll], a poll that is answered once (poll.go). Its caller turns a [PollResult]
//     into the bytes of an HTTP response.
//
// A driver runs in one of two ways. Run writes in the goroutine of the caller, which may
// block: for HTTP/2 and for systems other than Linux. TakeOver gives the socket to the
// worker of the shard, which writes without blocking (takeover.go, internal/conn): an idle
// reader then costs no goroutine. In both ways, one method ends a reader and counts its
// [End].
//
// The package imports only the standard library.
package stream
