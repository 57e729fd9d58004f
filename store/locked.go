package store

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/store/group"
)

// Keys of the rows that writes may wait for.

func postKey(id string) group.Key { return group.Key{Table: "posts", Row: id} }

func authorKey(u User) group.Key { return group.Key{Table: "users", Row: u.ID} }

func parentKey(id int64) group.Key {
	return group.Key{Table: "comments", Row: strconv.FormatInt(id, 10)}
}

func likeKey(post, user string) group.Key { return group.Key{Table: "likes", Row: user + " " + post} }

func idempotencyKey(user, key string) group.Key {
	return group.Key{Table: "idempotency", Row: user + " " + key}
}

// lockedTable finds a table of the keys in the context of an error.
var lockedTable = regexp.MustCompile(`\b(posts|users|comments|likes|idempotency)(_|\b)`)

// lockedError returns the error of a write that has waited too long for a lock, with the
// table that the context of the error names. The first line of the context is about the
// wait itself, in the language of the server (while locking tuple (0,1) in relation
// "posts"), or is the statement that waited (SQL statement "SELECT 1 FROM ONLY
// "tidings"."posts" …", for a foreign key). Without context, the table is unknown: the lock
// is of a table, or another transaction waits for the row, too.
func lockedError(pg *pgconn.PgError) error {
	first, _, _ := strings.Cut(pg.Where, "\n")
	e := &group.LockedError{Err: pg}
	if found := lockedTable.FindStringSubmatch(first); found != nil {
		e.Table = found[1]
	}
	return e
}
