// Package store keeps comments, likes, posts and notifications in Postgres, and
// reads the log that the schema's triggers write (package migrations): no Go code
// numbers, counts or announces anything, because any other client of the database
// may write as well as we do.
//
// A method that writes returns once its transaction is committed. Errors that a
// caller can act on are the sentinels of this package; a [context.Context] that
// ends, ends the statement.
//
// [Store] is safe for concurrent use. [Listener] holds the one connection an
// instance that LISTENs.
package store
