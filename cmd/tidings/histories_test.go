package main

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A branch is a way to make a database that has the events up to now, or none of them, and
// continues differently from the first one. It is called before the first history continues,
// and returns a function that makes the second one.
type branch func(t *testing.T, s *site) (second func(*testing.T) *site)

// branches are the ways that keep the first history and its events.
var branches = map[string]branch{
	"Template": func(t *testing.T, s *site) func(*testing.T) *site {
		other := siteAt(t, storetest.Server().DSN("postgres"))
		database := value[string](t, s, `select current_database()`)
		s.sql.Reset() // a template must have no other session
		streamtest.Eventually(t, "the database is copied", func() bool {
			_, err := other.sql.Exec(t.Context(), fmt.Sprintf(`create database %s_copy template %s`, database, database))
			return err == nil
		})
		return func(t *testing.T) *site { return copied(t, other, database+"_copy") }
	},
	"PgRestore": func(t *testing.T, s *site) func(*testing.T) *site {
		file := filepath.Join(t.TempDir(), "dump")
		postgres(t, "pg_dump", "--dbname", s.dsn, "--format", "custom", "--file", file)
		other := siteAt(t, storetest.Server().DSN("postgres"))
		name := value[string](t, s, `select current_database()`) + "_restored"
		return func(t *testing.T) *site {
			other.exec(t, `create database `+name+` template template0`)
			postgres(t, "pg_restore", "--dbname", storetest.Server().DSN(name), "--exit-on-error", "--no-owner", "--no-acl", file)
			return copied(t, other, name)
		}
	},
}

// copied returns the site of a database, which is dropped when the test ends.
func copied(t *testing.T, other *site, name string) *site {
	t.Helper()
	t.Cleanup(func() { drop(other, name) })
	s := siteAt(t, storetest.Server().DSN(name))
	streamtest.Must(t, migrations.Up(t.Context(), s.dsn, discard))
	return s
}

// A history is what readers have of the first history of a database.
type history struct {
	keptHead         int64
	kept             string // the cursor of keptHead
	last, firstOfEnd string // cursors after it
}

// A cursor of one history is no cursor of another one, whatever its position: a reader that
// comes with it gets a gap, and a cursor of their common past resumes.
func TestOtherHistory_IsAGap(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.commentOften(t, "kept", 3)
	old := history{keptHead: s.head(t)}
	old.kept = s.cursor(t, old.keptHead)
	seconds := make(map[string]func(*testing.T) *site)
	for name, begin := range branches {
		seconds[name] = begin(t, s)
	}
	running := s.start(t, smallRing)
	s.commentOften(t, "lost", 10)
	lost := s.logged(t, "post:a")
	old.last, old.firstOfEnd = lost[len(lost)-1].ID, lost[len(lost)-10].ID

	for name, second := range seconds {
		t.Run(name, func(t *testing.T) {
			after := second(t)
			after.commentOften(t, "new", 40)
			old.isGone(t, after, false, after.start(t), after.start(t, smallRing))
		})
	}
	t.Run("DroppedSchema", func(t *testing.T) {
		s.exec(t, `drop schema tidings cascade`)
		streamtest.Must(t, migrations.Up(t.Context(), s.dsn, discard))
		s.sql.Reset() // its connections have the plans of the old tables
		s.commentOften(t, "new", 40)
		running.awaitReady(t)
		old.isGone(t, s, true, running, s.start(t))
	})
}

// commentOften inserts comments on post a.
func (s *site) commentOften(t *testing.T, text string, n int) {
	t.Helper()
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'a', 'ann', $1 || n from generate_series(1, $2) as n`, text, n)
}

// isGone reads from servers of a database that has continued with another history, with cursors
// of the old one. empty means that the new history has no event of the old one.
func (old history) isGone(t *testing.T, after *site, empty bool, servers ...*server) {
	t.Helper()
	if after.head(t) <= cursorOf(t, old.last).Position {
		t.Fatal("the new history has not passed the old cursor")
	}
	after.end(t, "post:a")
	log, topics := after.logged(t, "post:a"), []string{"post:a"}
	epochs := after.epochs(t)
	resumed := stream.Cursor{Epoch: epochs[len(epochs)-1].Number, Position: after.head(t)}.String()
	gone := []string{old.last, old.firstOfEnd}
	if empty {
		gone = append(gone, old.kept)
	}
	for _, cursor := range gone {
		for _, x := range tapsOn(t, cursor, topics, servers...) {
			g, err := x.untilGap()
			streamtest.Must(t, err)
			streamtest.Want(t, x.name, g, gap{"restored", cursor, resumed})
		}
	}
	if !empty {
		for _, x := range tapsOn(t, old.kept, topics, servers...) {
			x.wants(t, since(t, log, old.keptHead))
		}
	}
	for _, x := range tapsOn(t, "earliest", topics, servers...) {
		x.wants(t, log)
	}
}

// drop drops a database that a test has made.
func drop(other *site, name string) {
	conn, err := pgx.ConnectConfig(context.Background(), other.sql.Config().ConnConfig)
	if err != nil {
		return // the server stops, and its files are removed
	}
	defer conn.Close(context.Background())
	_, _ = conn.Exec(context.Background(), `drop database if exists `+name+` with (force)`)
}
