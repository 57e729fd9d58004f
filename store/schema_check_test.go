package store_test

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The owner of a table bypasses its row security, unless it is forced. Then nothing is written
// or read: a page without the comments of others would look like an empty one.
func TestCheckSchema_NamesForcedRowSecurity(t *testing.T) {
	t.Parallel()

	dsn := storetest.Empty(t)
	admin := client(t, dsn)
	owner := admin.Config().ConnConfig.Database + "_owner"
	_, err := admin.Exec(t.Context(), `create role `+owner+` login; create schema tidings authorization `+owner)
	streamtest.Must(t, err)
	address, err := url.Parse(dsn)
	streamtest.Must(t, err)
	address.User = url.User(owner)
	streamtest.Must(t, migrations.Up(t.Context(), address.String(), slog.New(slog.DiscardHandler)))

	s := open(t, address.String())
	_, err = admin.Exec(t.Context(), `alter table tidings.comments enable row level security`)
	streamtest.Must(t, err)
	streamtest.Must(t, s.CheckSchema(t.Context()))
	_, err = admin.Exec(t.Context(), `alter table tidings.comments force row level security`)
	streamtest.Must(t, err)
	if err := s.CheckSchema(t.Context()); err == nil || !strings.Contains(err.Error(), "tidings.comments") {
		t.Errorf("got %v, want the name of the table", err)
	}
	for _, table := range []string{"comments", "users", "notifications", "events"} {
		_, err = admin.Exec(t.Context(), `alter table tidings.`+table+` enable row level security, force row level security`)
		streamtest.Must(t, err)
		_, err := s.Comments(t.Context(), store.ListQuery{PostID: "p", Limit: 10})
		if table != "notifications" {
			streamtest.WantErr(t, err, store.ErrNoRights)
		}
		_, err = s.Notifications(t.Context(), store.NotificationQuery{User: "ann", Limit: 10})
		if table != "comments" {
			streamtest.WantErr(t, err, store.ErrNoRights)
		}
		_, err = s.Read(t.Context(), stream.Query{Limit: 10})
		if table != "notifications" {
			streamtest.WantErr(t, err, store.ErrNoRights)
		}
		if table != "comments" {
			_, err = admin.Exec(t.Context(), `alter table tidings.`+table+` no force row level security`)
			streamtest.Must(t, err)
		}
	}
	if err := migrations.Up(t.Context(), address.String(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "tidings.comments") {
		t.Errorf("migrations: got %v, want the name of the table", err)
	}
	conn, err := pgx.Connect(t.Context(), address.String())
	streamtest.Must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), `insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', 'x')`); err == nil {
		t.Error("a comment that nobody would be told of was accepted")
	}
}
