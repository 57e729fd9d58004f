// Package migrations holds the numbered SQL that makes the schema tidings, and
// brings a database up to date with it.
//
// The files are embedded, applied in order, each in its own transaction, and
// only ever forward: a mistake is corrected by the next number. What the schema
// promises is written in the SQL, beside the object that keeps the promise.
package migrations
