package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The statement of Read and the view tidings.log are two texts that say the same. But moderators
// read the text of hidden comments, and the view has none.
func TestRead_ShowsWhatTheViewShows(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, `
		insert into tidings.users (id, name, avatar_url) values ('ann', 'Ann', 'https://example.org/ann.png'), ('bob', 'Bob', null);
		insert into tidings.posts (id, author_id) values ('42', 'owner'), ('43', null);
		insert into tidings.comments (post_id, author_id, body)
		select post, author, 'Hello ä ' || post
		from unnest('{42,43}'::text[]) as post, unnest('{ann,bob,noname}'::text[]) as author;
		insert into tidings.comments (post_id, parent_id, author_id, body) values ('42', 1, 'bob', 'Reply');
		insert into tidings.likes (post_id, comment_id, user_id) values ('42', 1, 'noname'), ('42', null, 'ann');
		select tidings.publish('post:42', 'news', '{"a": [1, "x"]}')`)
	d.exec(t, `update tidings.comments set body = 'Edited', edited_at = '2026-01-02 03:04:05.678+02' where id = 1`)
	d.exec(t, `update tidings.comments set status = 'spam' where id = 2`)
	d.exec(t, `update tidings.comments set status = 'deleted' where id = 3; delete from tidings.users where id = 'noname'`)
	d.exec(t, `delete from tidings.comments where id = 4`)
	d.exec(t, `update tidings.comments set status = 'pending' where id = 5; update tidings.comments set status = 'published' where id = 5`)
	d.exec(t, `delete from tidings.posts where id = '43'`)

	seen := make(map[string]bool)
	topics := parseTopics(t, "post:42", "post:43", "user:ann", "user:owner")
	for _, q := range []stream.Query{{Limit: 1000}, {Limit: 1000, Topics: topics}} {
		batch := read(t, d, q)
		var named []string
		for _, topic := range q.Topics {
			named = append(named, topic.String())
		}
		rows, err := d.sql.Query(t.Context(), `select position, name, data::text, coalesce(comment_id, 0) from tidings.log
			where $1::text[] is null or topic = any($1) order by position`, named)
		streamtest.Must(t, err)
		n := 0
		for ; rows.Next(); n++ {
			var position, comment int64
			var name, data string
			streamtest.Must(t, rows.Scan(&position, &name, &data, &comment))
			want, err := stream.NewData([]byte(data))
			streamtest.Must(t, err)
			e := batch.Events[n]
			if name == "moderation" {
				streamtest.Want(t, "hidden text in the view", strings.Contains(data, "Hello"), false)
				streamtest.Want(t, "hidden text for moderators", strings.Contains(e.Data.String(), "Hello"), comment == 2) // the only one with a row
				want = e.Data
			}
			streamtest.Want(t, fmt.Sprint(name, " ", position),
				fmt.Sprintln(e.Cursor.Position, e.Name, e.Data, e.Comment), fmt.Sprintln(position, name, want, comment))
			seen[name] = true
		}
		streamtest.Want(t, "the number of events", len(batch.Events), n)
	}
	for _, k := range stream.EventKinds {
		if name := k.Name.String(); k.Durable && !seen[name] {
			t.Errorf("no event %s was compared", name)
		}
	}
}

// A site may change the types of the texts, although the log has them.
func TestRead_AllowsOtherTypesOfTexts(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
	before := read(t, d, stream.Query{Limit: 10})
	d.exec(t, `
		alter table tidings.comments alter body type varchar(6000);
		alter table tidings.users alter name type varchar(100), alter avatar_url type varchar(3000)`)
	after := read(t, d, stream.Query{Limit: 10})
	streamtest.Want(t, "the first event", after.Events[0].Data.String(), before.Events[0].Data.String())
	streamtest.Want(t, "comments in the view", value[int64](t, d, `select count(*) from tidings.log where data ->> 'body' = 'Hello'`), 1)
}

// A read of the log gives a locked table up, and the hub goes on where it was.
func TestRead_GivesLockedTablesUp(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"events", "comments", "users"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			sub := follow(t, d.Store, stream.Now, "post:42")
			d.exec(t, numberedComment, "0")
			streamtest.Want(t, "before", numbered(t, sub, 1), []int{0})
			d.exec(t, numberedComment, "1")
			release := d.hold(t, `lock table tidings.`+table)
			began := time.Now()
			_, err := d.Read(t.Context(), stream.Query{Limit: 10})
			streamtest.WantErr(t, err, store.ErrUnavailable)
			if took := time.Since(began); took < time.Second {
				t.Errorf("the read gave up after %v: %v", took, err)
			}
			release()
			d.exec(t, numberedComment, "2")
			streamtest.Want(t, "after", numbered(t, sub, 2), []int{1, 2})
		})
	}
}

// A stored answer is that of the comment as it is now.
func TestIdempotencyKey_KeepsNoText(t *testing.T) {
	t.Parallel()
	both := newPair(t)
	for name, c := range map[string]struct{ change, want string }{
		"Unchanged":  {`select`, `Ann: Hello (published, version 1)`},
		"Edited":     {`update tidings.comments set body = 'Other'`, `Ann: Other (published, version 2)`},
		"Held":       {`update tidings.comments set status = 'pending'`, `Ann: Hello (pending, version 2)`},
		"Rejected":   {`update tidings.comments set status = 'rejected'`, `:  (deleted, version 2)`},
		"Deleted":    {`update tidings.comments set status = 'deleted'`, `:  (deleted, version 2)`},
		"RowDeleted": {`delete from tidings.comments`, `:  (deleted, version 1)`},
	} {
		both.each(t, name, func(t *testing.T, d database) {
			hello := store.NewComment{PostID: "42", Author: ann, Body: "Hello", IdempotencyKey: "k1"}
			first := d.comment(t, hello)
			d.exec(t, c.change)
			again := d.comment(t, hello)
			streamtest.Want(t, "the answer",
				fmt.Sprintf("%s: %s (%s, version %d)", again.Author.Name, again.Body, again.Status, again.Version), c.want)
			streamtest.Want(t, "the id", again.ID, first.ID)
			if at := again.CreatedAt; !at.Equal(first.CreatedAt) {
				t.Errorf("created at %v, want %v", at, first.CreatedAt)
			}
			if row := value[string](t, d, `select idempotency::text from tidings.idempotency`); strings.Contains(row, "Hello") {
				t.Errorf("the stored answer has the text: %s", row)
			}
		})
	}
}
