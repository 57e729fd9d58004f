// Package verify finds out whether servers keep the promises of delivery: it reads
// and writes as many clients at once, and then compares what each reader saw with
// what writers were promised and, where the database is at hand, with the log itself.
//
// # Who is who
//
//   - writers write over HTTP and SQL, and enter in the [ledger] what they were
//     answered: acknowledged, refused, taken back, or never answered;
//   - readers read on from their cursors, a while here by stream, a while there by
//     long-poll, and note all they see in a [trail];
//   - the [recorder] reads the log as it grows, before retention can remove it;
//   - the [court] holds the trails against the [truth], a [judge] for each reader,
//     while the run goes on: what was judged is forgotten, but for some bytes a write;
//   - with Chaos, a [world] of our own, three instances and a Postgres, is broken and
//     mended by seeded faults all the while.
//
// # What counts as wrong
//
// The truth is the log: what the recorder read or, without a database, all that any
// reader saw. A reader who began at one cursor and ended at another must have had
// each event of its topics between them, in order, once, except where the server
// announced a gap. Of a comment-count or like-update, which are latest-only, an
// older one may be left out in favour of a newer one that arrives. At the end a
// closing event goes to each topic, so that "never arrived" means something.
//
// A write without an answer may or may not have happened; never twice. One that was
// refused or rolled back must not have. Likes and deletes that were acknowledged, and the
// counts, are held against the tables at the end, where the database is at hand: see
// [claims].
//
// Latency is told and not judged; typing signals, which may be lost, are not looked at.
// What a run wrote stays: its posts and users are named verify-….
//
// The package reads over the wire alone, through api/client.
package verify
