// Package faults reports the failures of background work, such as reads of the log, which
// has no caller that could get an error.
//
// A [Work] is one kind of work. Each cause of a failure is logged once in a while, however
// often the work is tried, and each failure is counted. While the last attempt has failed,
// [Work.Err] returns its error.
//
// The package imports only the standard library.
package faults
