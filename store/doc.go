// Package store keeps comments, likes, posts and notifications in Postgres, and reads
// the log of events. Triggers of the schema (package migrations) number, count and
// announce all changes. They are not in Go, because any client of the database may write.
//
// [Store] has the methods that read and write. A method that writes returns after its
// transaction has committed. The hot writes (comments, likes, published events) go
// through package group, which commits them together while [Store.Run] runs. Each method
// returns the errors of this package (such as [ErrBusy]) where the caller can handle them,
// and stops its statement when its context ends.
//
// [Listener] holds the one connection of an instance that LISTENs. [Store.Retain] keeps
// the log within its bounds.
package store
