// Package group commits the writes of many callers together. A commit costs a round trip
// and a wait for the disk, and commits with events are serial: about 1,000 each second.
// With many writes in one transaction, an instance commits several times as many writes.
//
// [Group.Submit] puts a [Write] into a queue and waits. [Group.Run] takes the writes of the
// queue as a batch, which a [Committer] commits in one transaction. The writes that arrive
// during the transaction are the next batch. A single write on an idle instance is
// committed at once. Package store has the writes and the committer; this package contains
// no SQL.
//
// Writes are independent: a write that fails, waits or is refused must neither fail nor
// delay other writes. The mechanisms below ensure that. The figures are comments per second
// of 32 writers, while 4 other writers make bad or blocked writes, on 2 cores: first
// without the mechanism, then with all mechanisms.
//
//   - Halving (commit.go). If the database refuses a batch, the batch is split in halves,
//     down to the write that is refused. For n writes that takes 2·log2(n) transactions.
//     Without it, when each bad write is of another user: 71 instead of 169.
//   - Quarantine (quarantine.go). After a refused write, all writes of its [Write.Source]
//     are solo for 10 s. Without it, each batch is split that has a write of a user whose
//     writes are always refused: 78 instead of 578.
//   - Risky writes ([Write.Risky]) are solo from the start. Quarantine does not help
//     against a service that publishes bad data, each time to another topic, because each
//     topic is another source. Without it, each batch is split: 240 instead of 1,189.
//   - Solo transactions and held keys (solo.go). A write that waits for a locked row gets
//     a separate transaction. Until it ends, the write holds the key of the locked row, and
//     a later write with that key is solo, too. If the database does not name the row, the
//     write holds the keys of all its rows, and a later write is first tried. Without solo transactions, a write fails
//     when a row stays locked for longer than the batch waits. Without held keys, each batch
//     with such a write meets the lock again: 320 instead of 480. If the write held all its
//     [Write.Keys], comments of other users on the post would be solo while a user is locked.
//   - Slots (slots.go) bound the solo transactions. Without them, writes to locked rows
//     use all connections, and nothing else can be read or written.
//   - Rows (rows.go). Of the writes that wait for one row, the first waits in a slot and the
//     others behind it, without a slot or a connection. Without that, 200 writes to a locked
//     row use all slots, and a write to another row that is locked for a moment fails.
//   - Turns (slots.go). A transaction that waits for a lock gives its slot to the next one
//     after 500 ms, for 10 s in all. Without turns, a row that is locked for a moment delays
//     its writes by 10 s if writes to another row use all slots.
//   - Lock timeouts: 100 ms for a batch, 5 ms for each of its writes while the package
//     looks for the write that met the lock. With 10 s for a batch: 28 instead of 480. With
//     100 ms for each write of the search, a batch whose 200 writes need 200 locked rows
//     would delay all others by 20 s instead of 1 s.
//
// Bounds: a batch has at most 200 writes, the queue at most 4,096, and at most 1,024 writes
// are solo, 256 of them for one row. Further writes get [ErrBusy].
package group
