package store

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/migrations"
)

// errRefused is for a write that a trigger of the site has left out, or undone, without an
// error.
var errRefused = &InvalidError{Detail: "the site does not take this"}

// siteRefusal returns the error of a write that a function of the site has refused, or
// nil. A RAISE counts whatever its SQLSTATE. Another error in a function of the site
// (such as a division by zero, or a missing table) counts unless the write may succeed
// later.
func siteRefusal(pg *pgconn.PgError) error {
	if !inSiteFunction(pg.Where) || pg.Routine != "exec_stmt_raise" && passing(pg.Code) {
		return nil
	}
	return &InvalidError{Detail: pg.Message}
}

// calledFunction finds the name of a function in a line of a PgError's Where. Postgres
// translates the words around it, and leaves its schema out if search_path has it.
var calledFunction = regexp.MustCompile(`PL/.*?(?:(\w+|"[^"]+")\.)?(\w+|"[^"]+")\(`)

// inSiteFunction reports whether an error comes out of a function that is not ours. The
// lines of where are the calls, innermost first.
func inSiteFunction(where string) bool {
	match := calledFunction.FindStringSubmatch(where)
	switch {
	case match == nil:
		return false
	case match[1] == "":
		return !ourFunctions()[match[2]]
	}
	return match[1] != "tidings"
}

// ourFunctions has the names of the functions of the schema.
var ourFunctions = sync.OnceValue(func() map[string]bool {
	names := make(map[string]bool)
	paths, _ := fs.Glob(migrations.Files(), "functions/*.sql") // fails for a malformed pattern only
	for _, p := range paths {
		names[strings.TrimSuffix(path.Base(p), ".sql")] = true
	}
	return names
})

// passing reports whether a code is of an error whose cause is not the write itself.
func passing(code string) bool {
	return code == pgerrcode.LockNotAvailable || code == pgerrcode.ReadOnlySQLTransaction ||
		pgerrcode.IsTransactionRollback(code) || pgerrcode.IsOperatorIntervention(code) ||
		pgerrcode.IsConnectionException(code) || pgerrcode.IsInsufficientResources(code) ||
		pgerrcode.IsSystemError(code)
}
