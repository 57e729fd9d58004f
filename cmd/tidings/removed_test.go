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
	"AuthorRenamed":   {sql: `update tidings.users set name = 'Erased' where id = ` + authorOf, textStays: true, tables: "comments log"},
	"AuthorDeleted":   {sql: `delete from tidings.users where id = ` + authorOf, textStays: true, tables: "comments log"},
	"RowDeleted":      {sql: `delete from tidings.comments where id = $1`},
	"PostDeleted":     {sql: `delete from tidings.posts where id = (select post_id from tidings.comments where id = $1)`},
}

const authorOf = `(select author_id from tidings.comments where id = $1)`

// A removed is a comment whose text or author's name is removed.
type removed struct {
	removal
	post, author, text string // each of them is that of this comment alone
	write              client.NewComment
	made               client.Comment
}

// A text that was removed is read by nobody any more: not from the memory of an instance
// that had delivered it, not from the log by an instance that starts later, over neither
// transport, and not with SQL from any table of the log.
func TestRemovedTextIsGone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	servers := []*server{s.start(t), s.start(t)}
	var all []*removed
	for name, removal := range removals {
		x := &removed{removal: removal, post: name, author: "author-" + name, text: "nobody-may-read-" + name}
		all = append(all, x)
		t.Run(name+"/Remove", func(t *testing.T) { x.remove(t, s, servers) })
	}
	servers = append(servers, s.start(t))
	for _, x := range all {
		t.Run(x.post+"/IsGone", func(t *testing.T) {
			for _, reader := range tapsOn(t, "earliest", []string{"post:" + x.post}, servers...) {
				x.wantGone(t, reader)
			}
			streamtest.Want(t, "tables with the text", strings.Join(s.tablesWith(t, x.text), " "), x.tables)
			if got := s.tablesWith(t, "The "+x.author); slices.Contains(got, "log") != x.authorStays || slices.Contains(got, "events") {
				t.Errorf("tables with the author's name: %v", got)
			}
			again, err := servers[0].as(t, x.author).CreateComment(t.Context(), x.post, x.write)
			streamtest.Must(t, err)
			streamtest.Want(t, "the id in the repeated answer", again.ID, x.made.ID)
			if x.post != "HeldAgain" && !x.textStays && again.Body == x.text { // the author may read what is held
				t.Errorf("the repeated answer is %+v", again)
			}
		})
	}
}

// remove writes the comment, which readers of all servers get, and removes it.
func (x *removed) remove(t *testing.T, s *site, servers []*server) {
	t.Helper()
	topics := []string{"post:" + x.post}
	live := tapsOn(t, "now", topics, servers...)
	x.write = client.NewComment{Body: x.text, IdempotencyKey: "k1"}
	var err error
	x.made, err = servers[0].as(t, x.author).CreateComment(t.Context(), x.post, x.write)
	streamtest.Must(t, err)
	for _, reader := range live {
		reader.await(t, "the text", saying(x.text))
	}
	s.exec(t, x.sql, x.made.ID)
	s.end(t, topics...)
	for _, reader := range live {
		reader.await(t, "the end", named(theEnd))
	}
}

// wantGone reads all events of the post, and checks what they show of the comment.
func (x *removed) wantGone(t *testing.T, reader *tap) {
	t.Helper()
	var seen []string
	reader.await(t, "the end", func(e client.Event) bool {
		seen = append(seen, fmt.Sprintf("%s %s", e.Name, e.Data))
		return e.Name == theEnd
	})
	all := strings.Join(seen, "\n")
	if shown := strings.Contains(all, x.text); shown != x.textStays {
		t.Errorf("%s shows the text: %t\n%s", reader.name, shown, all)
	}
	if !strings.Contains(all, "new-comment") {
		t.Errorf("%s has lost the place of the comment:\n%s", reader.name, all)
	}
	if named := strings.Contains(all, "The "+x.author); named != x.authorStays {
		t.Errorf("%s shows the author: %t\n%s", reader.name, named, all)
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
