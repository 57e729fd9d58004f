// Package verify checks whether Tidings servers keep the promises of delivery. It
// writes and reads as many clients at once, and compares what each reader got with
// what the writers were answered and with the log.
//
// # What is written
//
// HTTP writers (writer_http.go) create comments and replies, edit and delete them, hide, approve and
// pin them as moderators, like and unlike posts and comments, mark notifications as read, publish
// events and send typing signals. If the database is given, SQL writers (writer_sql.go) do the same
// in transactions with savepoints, and roll some of them back. Half of the likes go to [likePosts],
// which are new posts again and again. Each comment and each published event carries the number of
// its write. The [writeLog] holds the outcome of each number: acknowledged, refused, rolled back, or
// unanswered.
//
// # What is read
//
// Each [reader] has a few topics and hops: it reads for a while from one server over
// one transport, a stream or a long-poll, disconnects, and resumes from its cursor at
// another. It records the events, cursors and announced gaps in its [trace]. An
// [unauthorizedReader] tries to open other users' private topics all the time.
//
// Up to 12 readers keep a page (package page) of their first post, and the list and number of unread
// notifications of their user. At the end, each page and list is brought to the place of one that is
// loaded again, and compared with it: check_pages.go, check_inboxes.go.
//
// # What is the reference
//
// The reference is the [logCopy]: the events that the log holds for the topics of this
// run. If the database is given, the [recorder] copies the log while the run goes on,
// before retention can remove anything. Without the database, the checker builds the
// copy at the end as the union of all events that any reader got.
//
// # How the checker decides
//
// The [checker] compares the traces with the log copy, every 300 ms if it has the
// database and once at the end without. It keeps one [readerCheck] for each reader. A
// reader that went from one cursor to another must have got each event of its topics
// between the two, in order and once, unless the server announced a gap. A
// comment-count or like-update may be missing if a later event with the same topic,
// name and target arrived. At the end of the run an event named verify.end goes to each
// topic, and every reader reads up to it, so everything before it must have arrived.
//
// The kinds of faults are the fields of [Faults]:
//
//   - Lost: an acknowledged write is not in the log copy; an event lies before the
//     reader's cursor or before verify.end and did not arrive; the last count or
//     acknowledged like or delete differs from the tables; a row of the log is gone
//     though it is newer than the retention floor.
//   - Duplicated: a reader got an event twice, or the log has a write twice, even one
//     that was not answered.
//   - Reordered: an event arrived after a later one, a cursor or an epoch went back, or
//     a row appeared in the log below a position that had been read.
//   - Leaked: a reader got an event of a topic that it had not asked for or that was
//     addressed to another topic, or an unauthorized reader got access.
//   - SilentGaps: a cursor advanced past events that did not arrive, and no gap was
//     announced. Each advance counts once, and each of its events counts as lost.
//   - Invented: an event differs from the log copy or is not in it, or a write that was
//     refused or rolled back is in the log.
//   - NeedlessGaps: a gap was announced though the log still had everything after the
//     reader's cursor. This is checked only with the database.
//   - Cut: a stream that kept reading during a burst was ended. Only with Chaos.
//   - Differing: a page or list of notifications that followed the events differs from the same
//     loaded again.
//   - Unfinished: a reader did not read up to verify.end within Config.Settle.
//
// A write without an answer may or may not have happened. Likes, changes of comments and marks of
// notifications carry no number, so their acknowledged state is compared with the tables at the
// end, without a database with the API ([acknowledgedState]). Report.Decided counts them by kind.
// An edit over HTTP names the version that it changes, so an edit without an answer is decided by
// the next one. After another change without an answer, the comment ([ownComment]) is not changed
// any more. A like is decided if each like and unlike of the target by the user was answered; a
// run that decided no like of a post is incomplete. Typing signals may be lost and are checked for leaks only. Latency is
// reported and never a fault.
//
// # What is no fault
//
// A report is incomplete, which is neither a pass nor a fault, if the run was stopped,
// if servers or the database did not answer at the end, or if nothing was decided:
// Report.Incomplete has the reasons. A reader that no server answers any more is cut
// off: the events that it would have read next count as nothing. Others may write to the
// posts of a run at any time: what the checker compares is read from one snapshot, or
// read again.
//
// # Fault injection
//
// With Chaos, package cluster runs three instances and a Postgres, and the [injector]
// breaks and repairs them during the run: inject.go has the table of fault kinds. The
// seed decides all random choices, so a run can be repeated with the same ones.
//
// Everything that a run wrote stays in the database: the ids of its posts and users
// begin with "verify-".
package verify
