package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store/group"
)

// Keys of the rows and tables that writes may wait for.

func postKey(id string) group.Key { return group.Key{Table: "posts", Row: id} }

func authorKey(u User) group.Key { return group.Key{Table: "users", Row: u.ID} }

func rowOfComment(id int64) group.Key {
	return group.Key{Table: "comments", Row: strconv.FormatInt(id, 10)}
}

func likeKey(l likeTarget) group.Key {
	return group.Key{Table: "likes", Row: fmt.Sprint(l.user, " ", l.comment, " ", l.post)}
}

func idempotencyKey(user, key string) group.Key {
	return group.Key{Table: idempotencyTable, Row: user + " " + key}
}

// idempotencyTable is the name of the table of idempotency keys.
const idempotencyTable = "idempotency"

// tableKeys returns keys of whole tables.
func tableKeys(tables ...string) (keys []group.Key) {
	for _, table := range tables {
		keys = append(keys, group.Key{Table: table})
	}
	return keys
}

var (
	// namedTable finds a table of the keys in a text of Postgres, also in the name of an index.
	namedTable = regexp.MustCompile(`\b(posts|users|comments|likes|notifications|idempotency)(_|\b)`)
	// namedRow finds the place of a row: (block,item).
	namedRow = regexp.MustCompile(`\(\d+,\d+\)`)
)

// findLocked adds to an error of a write what is locked: see [group.LockedError]. Of the
// context of Postgres's error, the first line is about the wait itself, in the language of
// the server (while locking tuple (0,1) in relation "posts"), or is the statement that waited
// (SQL statement "SELECT 1 FROM ONLY "tidings"."posts" …", for a foreign key). Without the
// place of a row, the lock may also be of a table.
func findLocked(ctx context.Context, conn *pgxpool.Conn, w group.Write, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != pgerrcode.LockNotAvailable {
		return err // a deadlock
	}
	where, _, _ := strings.Cut(pg.Where, "\n")
	if !namedRow.MatchString(where) {
		if table := findLockedTable(ctx, conn, w); table != "" {
			return &group.LockedError{Table: table, Whole: true, Err: err}
		}
	}
	if found := namedTable.FindStringSubmatch(where); found != nil {
		return &group.LockedError{Table: found[1], Err: err}
	}
	return err
}

// findLockedTable returns a table of the write's keys that another transaction has locked, or
// "". It does not wait for locks.
func findLockedTable(ctx context.Context, conn *pgxpool.Conn, w group.Write) string {
	var tables []string
	for _, key := range w.Keys() {
		if key.Row == "" {
			tables = append(tables, "tidings."+key.Table)
		}
	}
	if len(tables) == 0 {
		return ""
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return "" // Commit has an error to return already
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was written
	_, err = tx.Exec(ctx, "lock table "+strings.Join(tables, ", ")+" in row exclusive mode nowait")
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == pgerrcode.LockNotAvailable {
		if found := namedTable.FindStringSubmatch(pg.Message); found != nil {
			return found[1]
		}
	}
	return ""
}
