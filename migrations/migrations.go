package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed schema/*.sql functions/*.sql functions/VERSION
var files embed.FS

// Files returns the SQL of this program: schema/NNNN_name.sql, functions/name.sql and
// functions/VERSION.
func Files() fs.FS { return files }

// Up brings the database up to date with this program: it runs the numbered files that
// have not run yet, and replaces the functions if the database has an older version of
// them. See [Apply] for its contract.
func Up(ctx context.Context, dsn string, logger *slog.Logger) error {
	return Apply(ctx, dsn, files, logger)
}

// Apply brings the database up to date with files, which has the layout of [Files]. It
// is Up for another version of Tidings; tests use it to make up the next one.
//
// Any number of instances may call Apply at once. Each change is made under a lock, by one
// of them. If a lock is not granted within a second, or the wait for it ends in a
// deadlock, Apply logs a warning, pauses for 2 to 4 s and tries again, until ctx ends.
//
// The database needs Postgres 15 or newer and the encoding UTF8. The DSN must reach
// Postgres itself, not a transaction pooler. The role must be able to create a schema in
// the database, or own the schema tidings; if nothing is to be done, USAGE on the schema
// and SELECT on tidings.migrations are enough. Any other role that can create objects in
// the schema can act as this role.
//
// Apply returns an error if a requirement is not met, if a numbered file was edited after
// the database had run it, if the schema excludes programs as old as files, or if the
// database is from before the first release.
func Apply(ctx context.Context, dsn string, files fs.FS, logger *slog.Logger) error {
	r, err := load(files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	for races := 0; ; {
		err := apply(ctx, dsn, r, logger)
		pause := time.Duration(0)
		switch {
		case failsWith(err, lockCodes):
			logger.WarnContext(ctx, "migration waits for a lock", "err", err)
			pause = lockPause
		case failsWith(err, raceCodes) && races < maxRaces:
			races++
			pause = racePause
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause + rand.N(pause)):
		}
	}
}

// lockTimeout bounds each wait for a table that another session uses. A waiting ALTER
// TABLE blocks all sessions behind it, so Apply gives up after this time and pauses for
// longer than it has waited. The pause is lockPause and up to as much again.
const (
	lockTimeout = time.Second
	lockPause   = 2 * time.Second
)

// lockCodes are the errors of a lock that was not granted.
var lockCodes = []string{pgerrcode.LockNotAvailable, pgerrcode.DeadlockDetected}

// Two sessions that create the same schema, table or function at once may get an error
// of raceCodes, although each of them checks before whether the object exists. The next
// attempt finds it. Other causes of these errors stay, so there are at most maxRaces
// attempts.
var raceCodes = []string{
	pgerrcode.UniqueViolation, pgerrcode.DuplicateSchema, pgerrcode.DuplicateTable,
	pgerrcode.InternalError, // "tuple concurrently updated"
}

const (
	maxRaces  = 20
	racePause = 20 * time.Millisecond
)

// failsWith reports whether err is an error of Postgres with one of the codes.
func failsWith(err error, codes []string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.Contains(codes, pg.Code)
}
