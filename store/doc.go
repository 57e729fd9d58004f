// Package store keeps comments, likes, posts and notifications in Postgres, and reads
// the log of events. Triggers of the schema (package migrations) number, count and
// announce all changes. No Go code does so, because any other client of the database may
// write, too.
//
// [Store] has the methods that read and write. A method that writes returns after its
// transaction has committed. The hot writes (comments, likes, published events) go
// through package group, which commits them together: [Store.Run] must run. A method
// returns the errors of this package that callers can act on (such as [ErrBusy]), and
// stops its statement when its context ends.
//
// [Listener] holds the one connection of an instance that LISTENs. [Store.Retain] keeps
// the log within its bounds.
package store
