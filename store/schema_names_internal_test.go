package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/store/group"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// TestSchemaNames checks that the schema has what errors are recognized by.
func TestSchemaNames(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), storetest.Database(t))
	streamtest.Must(t, err)
	t.Cleanup(func() { conn.Close(t.Context()) })

	t.Run("Constraints", func(t *testing.T) {
		for _, want := range []struct{ name, table, kind string }{
			{parentConstraint, "tidings.comments", "f"},
			{commentPostKey, "tidings.comments", "f"},
			{likePostKey, "tidings.likes", "f"},
			{likeCommentKey, "tidings.likes", "f"},
			{commentKey, "tidings.comments", "p"},
			{notificationKey, "tidings.notifications", "p"},
		} {
			var found bool
			streamtest.Must(t, conn.QueryRow(t.Context(), `
				select exists (
					select from pg_constraint
					where conname = $1 and conrelid = $2::text::regclass and contype = $3::text::"char"
				)`, want.name, want.table, want.kind).Scan(&found))
			streamtest.Want(t, want.name+" is a constraint of "+want.table, found, true)
		}
	})

	t.Run("RefusalsOfPublish", func(t *testing.T) {
		for _, e := range []struct{ topic, name, data string }{
			{"no topic", "news", `{}`}, {"post:1", "News", `{}`}, {"post:1", "new-comment", `{}`},
			{"post:1", "news", `"` + strings.Repeat("x", 59_000) + `"`},
		} {
			_, err := conn.Exec(t.Context(), `select tidings.publish($1, $2, $3::text::jsonb)`, e.topic, e.name, e.data)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || !isPublishRefusal(pg) {
				t.Errorf("publish %s to %s: got %v, want a refusal of publish", e.name, e.topic, err)
			}
		}
		_, err := conn.Exec(t.Context(), `select make_interval(secs => 'infinity')`) // raises the same class of error
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || isPublishRefusal(pg) {
			t.Errorf("got %v, want an error that is no refusal of publish", err)
		}
	})

	t.Run("LockTimeouts", func(t *testing.T) {
		_, err := conn.Exec(t.Context(), `set lock_timeout = '7s'; `+new(Store).beginWrite(group.SoloLockWait))
		streamtest.Must(t, err)
		var lock, turn string
		streamtest.Must(t, conn.QueryRow(t.Context(), `
			select current_setting('lock_timeout'), current_setting('tidings.turn_timeout')`).Scan(&lock, &turn))
		timeout, err := time.ParseDuration(lock)
		streamtest.Must(t, err)
		streamtest.Want(t, "lock_timeout", timeout, group.SoloLockWait)
		streamtest.Want(t, "tidings.turn_timeout", turn, "0")
	})
}
