// Package group commits the writes of many callers together. A commit costs a round trip
// and a wait for the disk, and commits with events are serial: about 1,000 each second.
// With many writes in one transaction, an instance makes several times as many.
//
// [Group.Submit] puts a [Write] into a queue and waits. [Group.Run] gathers the queue into
// a batch, which a [Committer] makes in one transaction. Meanwhile the next batch
// gathers. A single write on an idle instance is committed at once. Package store
// has the writes and the committer; this package contains no SQL.
//
// Writes are independent: one that fails, waits or is refused must neither fail the
// others nor keep them waiting. The package has these mechanisms for that. The figures
// are comments/s of 32 writers while 4 others make bad or blocked writes, on 2 cores,
// with all mechanisms and without the one.
//
//   - Halving (commit.go). If the database refuses a batch, the batch is split in halves,
//     down to the write that is refused. It takes 2·log2(n) transactions instead of n.
//     Without it, when each bad write is of another user: 71 instead of 169.
//   - Quarantine (quarantine.go). After a refused write, all writes of its [Write.Source]
//     are solo for 10 s. Without it, a user who is refused again and again has each batch
//     split: 78 instead of 578.
//   - Risky writes ([Write.Risky]) are solo from the start. Without it, a service that
//     publishes bad data into ever new topics, each of which is a source of its own, has
//     each batch split: 240 instead of 1,189.
//   - Solo transactions and held keys (solo.go). A write that waits for a locked row gets
//     a transaction of its own, and holds its [Write.Keys]: a later write with one of
//     them is solo, too. Without solo transactions, a write fails when a row stays locked
//     for longer than the batch waits. Without keys, each batch with such a write meets
//     the lock again: 320 instead of 480, and each write is tried twice.
//   - Slots ([New]) bound the solo transactions. Without them, writes for one locked row
//     use all connections, and nothing else can be read or written.
//   - Lock timeouts: 100 ms for a batch, 5 ms for each of its writes while the package
//     looks for the one that met the lock, 10 s for a solo transaction. If a batch waited
//     10 s: 28 instead of 480. If the search waited 100 ms a write, a batch whose 200
//     writes need 200 locked rows would delay all others by 20 s instead of one.
//
// Bounds: a batch has at most 200 writes, the queue 4,096, and 1,024 writes may be solo.
// Further writes get [ErrBusy].
package group
