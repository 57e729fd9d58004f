package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// nextSchema is a numbered file of a made-up next version. It adds a column to each table.
const nextSchema = `
	do $$
	declare
		name regclass;
	begin
		for name in select oid from pg_class where relnamespace = 'tidings'::regnamespace and relkind = 'r' loop
			execute format('alter table %s add column added integer default 1', name);
		end loop;
	end
	$$`

// In a rolling upgrade, the next version has migrated the database, and instances of this
// version still run, or start again.
func TestServesTheSchemaOfTheNextVersion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	running := s.start(t)
	x := sse(t, running.Client, "now", "post:a")
	first := comment(t, running.as(t, "ann"), "a", "before")

	dir := t.TempDir()
	streamtest.Must(t, os.CopyFS(dir, migrations.Files()))
	streamtest.Must(t, os.WriteFile(filepath.Join(dir, "schema", "1000_added.sql"), []byte(nextSchema), 0o600))
	streamtest.Must(t, os.WriteFile(filepath.Join(dir, "functions", "VERSION"), []byte("version 1000\n"), 0o600))
	streamtest.Must(t, migrations.Apply(t.Context(), s.dsn, os.DirFS(dir), discard))

	command(t, "migrate", "--database-url", s.dsn).wants(t, 0, "a newer tidings has migrated the database")
	started := s.start(t)
	for i, srv := range []*server{running, started} {
		ann, body := srv.as(t, "ann"), "through "+srv.url
		_, err := ann.CreateComment(t.Context(), "a", client.NewComment{Body: body, ParentID: &first.ID})
		streamtest.Must(t, err)
		x.await(t, "a reply", saying(body))
		_, err = ann.LikePost(t.Context(), "a")
		streamtest.Must(t, err)
		_, err = ann.Ticket(t.Context(), []string{"post:a"})
		streamtest.Must(t, err)
		list, err := srv.Comments(t.Context(), "a", client.ListOptions{Flat: true})
		streamtest.Must(t, err)
		streamtest.Want(t, "comments in the list", len(list.Data), i+2)
	}
	streamtest.Want(t, "newest version of the functions", value[int](t, s, `select max(number) from tidings.migrations where kind = 'functions'`), 1000)
	streamtest.Want(t, "counts repaired", value[int](t, s, `select tidings.recount()`), 0)
}
