// Package migrations holds the SQL of the schema tidings and brings a database up to
// date with it. The files are embedded in the program.
//
//	schema/      numbered files, NNNN_name.sql: tables, indexes, checks, data
//	functions/   one file for each function, name.sql, with its triggers
//	schema.sql   the tables that all of this makes, generated for readers
//
// # Numbered files
//
// A numbered file runs once, in the order of the numbers. All that a database lacks run in
// one transaction, with the functions after them. A file is never edited once it has landed:
// a mistake is corrected by the next number. The table tidings.migrations keeps the SHA-256
// of each file that has run, and [Up] refuses a file that differs from it by name. A numbered
// file does not call functions of the schema tidings, because in a new database none exists
// yet. An UPDATE of rows disables the triggers meanwhile, because those of a site would run.
//
// # Functions
//
// A file in functions/ holds the current text of a function and above it the contract
// of the function. All of them are applied in one transaction when the database has an
// older version of them. The file functions/VERSION holds the number of that version, and
// a test fails when functions/ has changed without a higher number. After a change, run
//
//	go generate ./migrations
//
// A file consists of one CREATE OR REPLACE FUNCTION whose body ends with a line "$$;",
// followed by its triggers. A trigger is written as pg_get_triggerdef prints it, apart
// from case and white space, because a trigger is replaced only if its definition differs:
// to replace it takes a lock that writers wait for. A trigger on a table of the schema
// that is not in functions/ any more is dropped. A function that is not in functions/ any
// more stays, until a numbered file drops it with DROP FUNCTION IF EXISTS.
//
// # An older program on a newer schema
//
// In a rolling upgrade, programs of the previous version go on working while a newer one
// has migrated the database. So columns are only added, and the signature and the meaning
// of a function never change: a new function gets a new name. An older program runs no
// numbered file that it does not know, and never replaces newer functions.
//
// A change that programs before it cannot work with is a numbered file with the line
//
//	-- tidings: oldest-program 0007
//
// [Up] then refuses programs whose highest numbered file is below 0007.
package migrations

//go:generate go test -count=1 -run ^TestGenerated_ -update .
