// Package awareness keeps states that have no history: the users that are typing a comment,
// and the readers of a post. Such a state is never written to the log. It is sent as an
// ephemeral event, which moves no cursor. Only readers that are live at that moment receive it.
//
// # Typing
//
// [Typing] collects signals of one kind for each post and broadcasts the state of a post when
// it changes. Every instance receives every signal through Postgres, so all instances
// broadcast the same state.
//
// # Presence
//
// [Presence] counts the readers of each post. A stream or poll that begins is a [Reader], and
// is counted until its [Visit] ends: two entries in a queue, and about 80 bytes while it lasts.
// An event that is delivered costs nothing here. One goroutine applies the queue to the ledger
// (ledger.go), which has a room for each post that is read (room.go), and a heap of the rooms
// that have something to do later (schedule.go). It broadcasts an event if the post is watched,
// which means that a reader asks for its presence, and if the rules of show.go allow it.
//
// Polls of a reader follow one another, so the reader of an answered poll counts for 10 s
// more. A user is known by the id. Of readers that are not signed in, the next poll is the one
// that begins at the cursor of the answer; which of several such readers it is makes no
// difference to their number.
//
// # Several instances
//
// Instances tell each other about their readers on a [Board], two tables of the database
// (instances.go):
//
//   - An instance that watches a post writes a row that says so, and rings a doorbell. Each
//     other instance reads the rows that have changed, and writes its own readers of that post:
//     now, and when they change. Where nobody watches, nothing is written and nothing is read.
//   - A watch is ready when each other instance has answered it (Instance.Answered). Only then
//     the post gets its first event. An instance that does not answer is waited for 3 s.
//   - An instance lives as long as its LISTEN session ([Lease]), so it writes no sign of life,
//     and nobody compares clocks. Its readers count for 3 s after the session has ended,
//     because the instance may only connect again.
//   - A user that reads on two instances is counted once, so a row has all users of its
//     instance, in eight bytes each ([Member]).
//
// One goroutine uses the board, so the database delays nothing else. An instance writes at most
// one statement a second, whatever the number of posts and readers, and none if nothing has
// changed.
package awareness
