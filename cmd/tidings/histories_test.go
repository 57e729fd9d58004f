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
// continues differently from the first one.
type branch struct {
	empty bool // the new history has no event of the first one
	// begin is called before the first history continues, and returns a function that
	// makes the second one.
	begin func(t *testing.T, s *site) (branch func() *site)
}

var branches = map[string]branch{
	"DroppedSchema": {true, func(t *testing.T, s *site) func() *site {
		return func() *site {
			s.exec(t, `drop schema tidings cascade`)
			streamtest.Must(t, migrations.Up(t.Context(), s.dsn, discard))
			s.sql.Reset() // its connections have the plans of the old tables
			return s
		}
	}},
	"Template": {false, func(t *testing.T, s *site) func() *site {
		other := siteAt(t, storetest.Server().DSN("postgres"))
		database := value[string](t, s, `select current_database()`)
		s.sql.Reset() // a template must have no other session
		streamtest.Eventually(t, "the database is copied", func() bool {
			_, err := other.sql.Exec(t.Context(), fmt.Sprintf(`create database %s_copy template %s`, database, database))
			return err == nil
		})
		return func() *site { return copied(t, other, database+"_copy") }
	}},
	"PgRestore": {false, func(t *testing.T, s *site) func() *site {
		file := filepath.Join(t.TempDir(), "dump")
		postgres(t, "pg_dump", "--dbname", s.dsn, "--format", "custom", "--file", file)
		other := siteAt(t, storetest.Server().DSN("postgres"))
		name := value[string](t, s, `select current_database()`) + "_copy"
		return func() *site {
			other.exec(t, `create database `+name+` template template0`)
			postgres(t, "pg_restore", "--dbname", storetest.Server().DSN(name), "--exit-on-error", "--no-owner", "--no-acl", file)
			return copied(t, other, name)
		}
	}},
}

// copied returns the site of a database, which is dropped when the test ends.
func copied(t *testing.T, other *site, name string) *site {
	t.Helper()
	t.Cleanup(func() { drop(other, name) })
	s := siteAt(t, storetest.Server().DSN(name))
	streamtest.Must(t, migrations.Up(t.Context(), s.dsn, discard))
	return s
}

// A cursor of one history is no cursor of another one, whatever its position: a reader that
// comes with it gets a gap, and a cursor of their common past resumes.
func TestOtherHistory_IsAGap(t *testing.T) {
	t.Parallel()
	for name, b := range branches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			comments := func(s *site, text string, n int) {
				s.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'a', 'ann', $1 || n from generate_series(1, $2) as n`, text, n)
			}
			comments(s, "kept", 3)
			keptHead := s.head(t)
			kept := s.cursor(t, keptHead)
			begin := b.begin(t, s)
			running := s.start(t, smallRing)
			comments(s, "lost", 10)
			lost := s.logged(t, "post:a")
			last := lost[len(lost)-1].ID

			after := begin()
			comments(after, "new", 100)
			if after.head(t) <= cursorOf(t, last).Position {
				t.Fatal("the new history has not passed the old cursor")
			}
			servers := []*server{after.start(t), after.start(t, smallRing)}
			if after == s {
				running.awaitReady(t)
				servers = append(servers, running)
			}
			after.end(t, "post:a")
			log := after.logged(t, "post:a")
			epochs := after.epochs(t)
			resumed := stream.Cursor{Epoch: epochs[len(epochs)-1].Number, Position: after.head(t)}.String()
			gone := []string{last, lost[len(lost)-10].ID}
			if b.empty {
				gone = append(gone, kept)
			}
			for _, cursor := range gone {
				for _, x := range tapsOn(t, cursor, []string{"post:a"}, servers...) {
					g, err := x.untilGap()
					streamtest.Must(t, err)
					streamtest.Want(t, x.name, g, gap{"restored", cursor, resumed})
				}
			}
			if !b.empty {
				for _, x := range tapsOn(t, kept, []string{"post:a"}, servers...) {
					x.wants(t, since(t, log, keptHead))
				}
			}
			for _, x := range tapsOn(t, "earliest", []string{"post:a"}, servers...) {
				x.wants(t, log)
			}
		})
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
