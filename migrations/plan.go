package migrations

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// installed is the content of tidings.migrations: what has run in a database.
type installed struct {
	files         map[int]record // numbered files
	functions     record         // the newest version of the functions, number 0 if none
	oldestProgram int            // the highest of all files
	grants        grants         // what is to be done about grants
}

// A record is a row of tidings.migrations.
type record struct {
	Kind          string // "file", "functions" or "grants"
	Number        int    // of the file, or the version of the functions; 0 for grants
	Name          string
	SHA256        string `db:"sha256"`
	OldestProgram int
}

const (
	kindFile      = "file"
	kindFunctions = "functions"
	kindGrants    = "grants" // its hash says where the grants were made right: see place
)

// read returns what is installed.
func read(ctx context.Context, conn *pgx.Conn) (installed, error) {
	in, settledAt, err := readRecords(ctx, conn)
	if err != nil {
		return in, err
	}
	in.grants, err = readGrants(ctx, conn, settledAt)
	return in, err
}

// readRecords returns what is installed, without grants, and where those were settled.
func readRecords(ctx context.Context, conn *pgx.Conn) (in installed, settledAt string, err error) {
	in.files = make(map[int]record)
	rows, _ := conn.Query(ctx, `
		select kind, number, name, sha256, oldest_program
		from tidings.migrations
		order by number`)
	records, err := pgx.CollectRows(rows, pgx.RowToStructByName[record])
	if err != nil {
		return in, "", err
	}
	for _, r := range records {
		switch r.Kind {
		case kindFunctions:
			in.functions = r
		case kindGrants:
			settledAt = r.SHA256
		default:
			in.files[r.Number] = r
			in.oldestProgram = max(in.oldestProgram, r.OldestProgram)
		}
	}
	return in, settledAt, nil
}

// A step is one change to a database.
type step struct {
	file      *file   // the numbered file to run
	functions bool    // or: apply the functions
	grants    *grants // or: make the grants right
}

// plan returns the next step that brings a database to release r, or nil if there is
// none. It returns an error if r must not be used with the database.
//
//   - An installed numbered file that is also in r must have the same hash.
//   - Numbered files that only the database has are newer than r. They are no obstacle,
//     unless one of them excludes programs as old as r.
//   - Functions replace older ones, and different ones of the same version: such are of
//     two builds of a version that is not released yet.
func plan(r release, in installed) (*step, error) {
	if in.oldestProgram > r.newest() {
		return nil, fmt.Errorf("the schema needs a program that has migration %d, this one has %d and older: run a newer tidings",
			in.oldestProgram, r.newest())
	}
	var next *step
	for i, f := range r.files {
		done, ok := in.files[f.number]
		switch {
		case ok && done.SHA256 != f.sha256:
			return nil, fmt.Errorf("%s differs from the file that this database ran (%s, SHA-256 %s): "+
				"use the version of tidings that made the database, or a new database", f.name, done.Name, done.SHA256)
		case !ok && next == nil:
			next = &step{file: &r.files[i]}
		}
	}
	if next != nil {
		return next, nil
	}
	older := in.functions.Number < r.version
	if older || in.functions.Number == r.version && in.functions.SHA256 != r.sha256 {
		return &step{functions: true}, nil
	}
	if in.grants.due {
		return &step{grants: &in.grants}, nil
	}
	return nil, nil
}

// newer reports whether a newer program has migrated the database.
func newer(r release, in installed) bool {
	for number := range in.files {
		if number > r.newest() {
			return true
		}
	}
	return in.functions.Number > r.version
}
