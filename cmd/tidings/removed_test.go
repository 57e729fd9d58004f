package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// secret is a text that is removed.
const secret = "nobody-may-read-this"

// A removal removes the text of the comment $1, or the name of its author.
type removal struct {
	sql                    string
	textStays, authorStays bool
	tables                 string // tables and views that still have the text: moderators may read what is hidden
}

var removals = map[string]removal{
	"DeletedByStatus": {sql: `update tidings.comments set status = 'deleted' where id = $1`, tables: "revisions"},
	"Rejected":        {sql: `update tidings.comments set status = 'rejected' where id = $1`, tables: "comments"},
	"HeldAgain":       {sql: `update tidings.comments set status = 'pending' where id = $1`, tables: "comments"},
	"Edited":          {sql: `update tidings.comments set body = 'harmless' where id = $1`, authorStays: true, tables: "revisions"},
	"AuthorReplaced":  {sql: `update tidings.comments set author_id = 'erased' where id = $1`, textStays: true, tables: "comments log"},
	"AuthorRenamed":   {sql: `update tidings.users set name = 'Erased' where $1::bigint > 0`, textStays: true, tables: "comments log"},
	"AuthorDeleted":   {sql: `delete from tidings.users where $1::bigint > 0`, textStays: true, tables: "comments log"},
	"RowDeleted":      {sql: `delete from tidings.comments where id = $1`},
	"PostDeleted":     {sql: `delete from tidings.posts where id = (select post_id from tidings.comments where id = $1)`},
}

// A text that was removed is read by nobody any more: not from the memory of an instance
// that had delivered it, not from the log by an instance that starts later, over neither
// transport, and not with SQL from any table of the log.
func TestRemovedTextIsGone(t *testing.T) {
	t.Parallel()
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			servers := []*server{s.start(t), s.start(t)}
			topics := []string{"post:42"}
			live := tapsOn(t, "now", topics, servers...)
			ann := servers[0].as(t, "ann")
			write := client.NewComment{Body: secret, IdempotencyKey: "k1"}
			made, err := ann.CreateComment(t.Context(), "42", write)
			streamtest.Must(t, err)
			for _, x := range live {
				x.await(t, "the text", saying(secret))
			}
			s.exec(t, remove.sql, made.ID)
			s.end(t, topics...)
			for _, x := range live {
				x.await(t, "the end", named(theEnd))
			}

			servers = append(servers, s.start(t))
			for _, x := range tapsOn(t, "earliest", topics, servers...) {
				var seen []string
				x.await(t, "the end", func(e client.Event) bool {
					seen = append(seen, fmt.Sprintf("%s %s", e.Name, e.Data))
					return e.Name == theEnd
				})
				all := strings.Join(seen, "\n")
				if shown := strings.Contains(all, secret); shown != remove.textStays {
					t.Errorf("%s shows the text: %t\n%s", x.name, shown, all)
				}
				if !strings.Contains(all, "new-comment") {
					t.Errorf("%s has lost the place of the comment:\n%s", x.name, all)
				}
				if named := strings.Contains(all, "The ann"); named != remove.authorStays {
					t.Errorf("%s shows the author: %t\n%s", x.name, named, all)
				}
			}
			streamtest.Want(t, "tables with the text", strings.Join(s.tablesWith(t, secret), " "), remove.tables)
			if got := s.tablesWith(t, "The ann"); slices.Contains(got, "log") != remove.authorStays || slices.Contains(got, "events") {
				t.Errorf("tables with the author's name: %v", got)
			}

			again, err := ann.CreateComment(t.Context(), "42", write)
			streamtest.Must(t, err)
			streamtest.Want(t, "the id in the repeated answer", again.ID, made.ID)
			if name != "HeldAgain" && !remove.textStays && again.Body == secret { // the author may read what is held
				t.Errorf("the repeated answer is %+v", again)
			}
		})
	}
}

// tablesWith returns the tables and views of the schema that have a text in any row, but for the
// events of moderators.
func (s *site) tablesWith(t *testing.T, text string) (found []string) {
	t.Helper()
	rows, err := s.sql.Query(t.Context(), `
		select relname::text
		from pg_class
		where relnamespace = 'tidings'::regnamespace and relkind in ('r', 'v', 'm', 'p')
		order by relname`)
	streamtest.Must(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	streamtest.Must(t, err)
	for _, table := range tables {
		if value[bool](t, s, fmt.Sprintf(`select exists (select from tidings.%s as r where r::text like '%%' || $1 || '%%' and r::text not like '%%site:moderation%%')`, table), text) {
			found = append(found, table)
		}
	}
	return found
}

// Readers get a comment from memory as they get it from the log, byte for byte, whatever has
// happened to it.
func TestMemoryAndLogShowTheSame(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.start(t)
	topics := []string{"post:42", "post:43"}
	live := tapsOn(t, "now", topics, first)
	ann := first.as(t, "ann")
	for n := range 5 {
		own := comment(t, ann, "42", fmt.Sprint("comment ", n))
		comment(t, ann, "43", fmt.Sprint("comment ", n))
		for _, x := range live {
			x.await(t, "the comment", saying(fmt.Sprint("comment ", n)))
		}
		s.exec(t, `update tidings.comments set body = body || ' ä' where id = $1`, own.ID)
		s.exec(t, []string{
			`update tidings.comments set status = 'spam' where id = $1`,
			`update tidings.comments set body = 'once more' where id = $1`,
			`delete from tidings.comments where id = $1`,
			`delete from tidings.posts where id = '43' and $1::bigint > 0`,
			`update tidings.comments set status = 'pending' where id = $1`,
		}[n], own.ID)
	}
	s.exec(t, `update tidings.comments set status = 'published' where status = 'spam'`)
	s.end(t, topics...)
	for _, x := range live {
		x.awaitEnds(t, topics)
	}
	log := s.logged(t, topics...)
	for _, x := range tapsOn(t, "earliest", topics, first, s.start(t)) {
		x.awaitEnds(t, topics)
		if err := compare(x.seen, log, x.exact); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
		for i, e := range x.seen {
			if x.exact && string(e.Data) != string(compact(log[i].Data)) {
				t.Errorf("%s: got %s, the log has %s", x.name, text(e), text(log[i]))
			}
		}
	}
}

// awaitEnds reads up to the last of the topics' ends.
func (x *tap) awaitEnds(t *testing.T, topics []string) {
	t.Helper()
	for range topics {
		x.await(t, "the end", named(theEnd))
	}
}
