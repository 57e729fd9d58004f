package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store/group"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// TestCommit_LooksRowsUpByIndexHoweverManyThereAre checks that plans that a connection has
// made while the tables were small do not read whole tables later.
func TestCommit_LooksRowsUpByIndexHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, Config{URL: storetest.Database(t), AutoPosts: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	only, err := s.pool.Acquire(ctx) // the connection whose plans these are
	if err != nil {
		t.Fatal(err)
	}
	connection := only.Conn()
	only.Release()

	for _, small := range []string{
		`insert into tidings.comments (post_id, author_id, body) select 'p' || n % 10, 'u' || n, 'x' from generate_series(1, 20) as n`,
		`analyze`, // a table of one page is the cheapest to read whole
	} {
		if _, err := s.pool.Exec(ctx, small); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 { // after five executions Postgres may keep a plan, whatever the settings
		commitOneOfEach(t, s, nil)
	}
	_, err = s.pool.Exec(ctx, `
		with bulk as (
			insert into tidings.comments (post_id, author_id, body)
			select 'p' || n % 100, 'u' || n, 'x'
			from generate_series(1, 5000) as n
		),
		keys as (
			insert into tidings.idempotency (user_id, key, fingerprint, comment_id, created_at)
			select 'u' || n, 'k', 'x', n, now()
			from generate_series(1, 5000) as n
		)
		insert into tidings.likes (post_id, comment_id, user_id)
		select 'p' || n % 100, null, 'u' || n
		from generate_series(1, 5000) as n
		union all
		select 'p1', 1, 'u' || n
		from generate_series(2, 5000) as n`)
	if err != nil {
		t.Fatal(err)
	}
	before := rowsRead(t, s.pool)
	commitOneOfEach(t, s, new(int64(1)))
	if n := rowsRead(t, s.pool) - before; n > 1000 {
		t.Errorf("a commit of seven writes read %d rows", n)
	}
	if only, err = s.pool.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	defer only.Release()
	if only.Conn() != connection {
		t.Error("the second commit used another connection, so the test has checked nothing")
	}
}

// TestRead_LooksEventsUpByIndexHoweverManyThereAre checks the same for the reads of the log.
func TestRead_LooksEventsUpByIndexHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	for name, small := range map[string]int{"FromNothing": 0, "FromAFew": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			s, err := Open(ctx, Config{URL: storetest.Database(t)})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			publish := func(events int) {
				for _, sql := range []string{
					`insert into tidings.comments (post_id, author_id, body) select '42', 'u' || n, 'x' from generate_series(1, $1::int) as n`,
					`select tidings.publish('post:42', 'news', '{}') from generate_series(1, $1::int)`,
					`insert into tidings.comments (post_id, author_id, body) select '42', 'u1', 'x' where $1::int >= 0`,
				} {
					if _, err := s.pool.Exec(ctx, sql, events); err != nil {
						t.Fatal(err)
					}
				}
			}
			topic, err := stream.ParseTopic("post:42")
			if err != nil {
				t.Fatal(err)
			}
			last := func() {
				for _, q := range []stream.Query{
					{After: stateOf(t, s).Head - 2, Limit: 1000},
					{After: stateOf(t, s).Head - 2, Limit: 1000, Topics: []stream.Topic{topic}},
				} {
					if _, err := s.Read(ctx, q); err != nil {
						t.Fatal(err)
					}
				}
			}
			publish(small)
			if _, err := s.pool.Exec(ctx, `analyze`); err != nil { // a table of one page is the cheapest to read whole
				t.Fatal(err)
			}
			for range 10 { // Postgres plans the first five executions one by one
				last()
			}
			if n := genericPlans(t, s.log); n < 3 {
				t.Errorf("%d statements have a generic plan, want 3: the state and two for events", n)
			}
			publish(5000)
			before := eventsRead(t, s.log)
			last()
			if n := eventsRead(t, s.log) - before; n > 100 {
				t.Errorf("two reads of two events read %d rows", n)
			}
		})
	}
}

func stateOf(t *testing.T, s *Store) stream.State {
	t.Helper()
	batch, err := s.Read(t.Context(), stream.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return batch.State
}

// genericPlans returns how many prepared statements of the connection have used a generic
// plan.
func genericPlans(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	err := pool.QueryRow(t.Context(), `
		select count(*)
		from pg_prepared_statements
		where generic_plans > 0 and statement like '%tidings.events%'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// eventsRead returns how many rows of the log, of comments and of users were read so far,
// with an index or without.
func eventsRead(t *testing.T, pool *pgxpool.Pool) (n int64) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), `select pg_stat_force_next_flush()`); err != nil {
		t.Fatal(err)
	}
	err := pool.QueryRow(t.Context(), `
		select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint
		from pg_stat_user_tables
		where schemaname = 'tidings' and relname in ('events', 'comments', 'users')`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func commitOneOfEach(t *testing.T, s *Store, parent *int64) {
	t.Helper()
	by := User{ID: "ann", Name: "Ann"}
	root := &commentWrite{NewComment: NewComment{PostID: "p1", Author: by, Body: "Hello", IdempotencyKey: "k1"}}
	reply := &commentWrite{NewComment: NewComment{PostID: "p1", ParentID: parent, Author: by, Body: "Hello"}}
	like := &likeWrite{post: "p1", user: by}
	other := &likeWrite{post: "p1", user: User{ID: "u9", Name: "U"}}
	unlike := &likeWrite{post: "p1", user: User{ID: "u1"}, unlike: true}
	ofComment := &likeWrite{comment: 1, user: by}
	otherOfComment := &likeWrite{comment: 1, user: User{ID: "u1"}, unlike: true}
	streamtest.Must(t, s.committer.Commit(context.Background(), []group.Write{root, reply, like, other, unlike, ofComment, otherOfComment}, time.Second))
	for _, err := range []error{root.err, reply.err, like.err, other.err, unlike.err, ofComment.err, otherOfComment.err} {
		streamtest.Must(t, err)
	}
}

// rowsRead returns how many rows of tables, and entries of indexes, were read so far.
func rowsRead(t *testing.T, pool *pgxpool.Pool) (n int64) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), `select pg_stat_force_next_flush()`); err != nil {
		t.Fatal(err)
	}
	err := pool.QueryRow(t.Context(), `
		select (sum(seq_tup_read) + (
			select sum(idx_tup_read)
			from pg_stat_user_indexes
			where schemaname = 'tidings'
		))::bigint
		from pg_stat_user_tables
		where schemaname = 'tidings'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestComments_LooksRowsUpByIndexHoweverManyThereAre checks the same for lists: each page reads
// only its rows, wherever the page is.
func TestComments_LooksRowsUpByIndexHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	const fill = `
		with made as (
			insert into tidings.comments (id, post_id, parent_id, author_id, body, created_at, pinned_at)
			select n, '42', case when n % 4 > 1 then n - n % 4 + 1 end, 'u' || n % 100, 'x', timestamptz '2026-01-01Z' + interval '1 hour' * n, case when n % 4 = 1 and n % 100 = 1 then now() end
			from generate_series($1::int, $2::int) as n
			union all
			select 1000000 + n, '42', 6, 'u1', 'A reply to a reply', timestamptz '2026-01-01Z' + interval '1 hour' * n, null
			from generate_series($1::int, $2::int) as n
			where n > 6
		)
		insert into tidings.likes (post_id, comment_id, user_id)
		select '42', n, 'u' || u
		from generate_series($1::int, $2::int) as n, generate_series(1, n % 4) as u`
	const hide = `update tidings.comments set status = 'spam' where id between $1::int and $2::int and id % 20 = 1`
	for name, few := range map[string]int{"FromNothing": 0, "FromAFew": 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), Config{URL: storetest.Database(t) + "&pool_max_conns=1"})
			streamtest.Must(t, err)
			defer s.Close()
			grow := func(from, to int) {
				for _, sql := range []string{fill, hide} {
					_, err := s.pool.Exec(t.Context(), sql, from, to)
					streamtest.Must(t, err)
				}
			}
			grow(1, few)
			_, err = s.pool.Exec(t.Context(), `analyze`)
			streamtest.Must(t, err)
			pages := map[string]func() (CommentList, error){}
			for _, sort := range []Sort{Newest, Oldest, Top} {
				for _, flat := range []bool{false, sort != Top} {
					q := ListQuery{PostID: "42", Viewer: "u1", Sort: sort, Flat: flat, Limit: 10}
					name := fmt.Sprintf("%s, flat %v, ", sort, flat)
					pages[name+"first"] = func() (CommentList, error) { return s.Comments(t.Context(), q) }
					middle := q
					middle.After = &Place{ID: 1001, Likes: 1, At: time.Date(2026, 1, 1, 1001, 0, 0, 0, time.UTC)}
					pages[name+"middle"] = func() (CommentList, error) { return s.Comments(t.Context(), middle) }
				}
			}
			pages["replies"] = func() (CommentList, error) {
				return s.Replies(t.Context(), RepliesQuery{ID: 5, Viewer: "u1", Limit: 10})
			}
			pages["replies to a reply"] = func() (CommentList, error) {
				return s.Replies(t.Context(), RepliesQuery{ID: 6, Viewer: "u1", Limit: 10})
			}
			pages["replies to a reply, middle"] = func() (CommentList, error) {
				after := &Place{ID: 1001001, At: time.Date(2026, 1, 1, 1001, 0, 0, 0, time.UTC)}
				return s.Replies(t.Context(), RepliesQuery{ID: 6, Viewer: "u1", After: after, Limit: 10})
			}
			for range 7 { // Postgres plans the first five executions one by one
				for _, page := range pages {
					if _, err := page(); err != nil && few > 0 {
						streamtest.Must(t, err)
					}
				}
			}
			grow(few+1, 2000)
			for name, page := range pages {
				before := rowsRead(t, s.pool)
				list, err := page()
				streamtest.Must(t, err)
				streamtest.Want(t, name+": comments are there", len(list.Comments) > 1, true)
				if n := rowsRead(t, s.pool) - before; n > 1000 {
					t.Errorf("%s: a page of %d comments read %d rows", name, len(list.Comments), n)
				}
			}
		})
	}
}

// A page and a like read nothing of other posts. Postgres has statistics here, and it would hash all
// tombstones or posts if it could.
func TestComments_ReadsNoTombstonesOfOtherPosts(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: storetest.Database(t) + "&pool_max_conns=1"})
	streamtest.Must(t, err)
	defer s.Close()
	for _, sql := range []string{
		`insert into tidings.posts (id) select 'p' || n from generate_series(1, 2000) as n`,
		`insert into tidings.comments (id, post_id, parent_id, author_id, body, status)
			select n, 'deep', nullif(n - 1, 0), 'ann', 'x', case when n < 2000 then 'spam' else 'published' end
			from generate_series(1, 2000) as n`,
		`insert into tidings.comments (id, post_id, parent_id, author_id, body, status)
			select 3000 + n, '42', case when n > 50 then 3000 + (n + 1) / 2 end, 'ann', 'x', case when n <= 100 then 'spam' else 'published' end
			from generate_series(1, 200) as n`,
		`vacuum analyze`, // else the first plans read dead rows at the ends of the indexes
	} {
		_, err := s.pool.Exec(t.Context(), sql)
		streamtest.Must(t, err)
	}
	var tombstones int
	streamtest.Must(t, s.pool.QueryRow(t.Context(), `select count(*) from tidings.tombstones`).Scan(&tombstones))
	streamtest.Want(t, "tombstones", tombstones, 1999+75)
	reads := map[string]func() error{
		"replies to a root": func() error {
			_, err := s.Replies(t.Context(), RepliesQuery{ID: 3026, Limit: 10})
			return err
		},
		"replies to a reply": func() error {
			_, err := s.Replies(t.Context(), RepliesQuery{ID: 3051, Limit: 10})
			return err
		},
		"like": func() error {
			_, err := s.Like(t.Context(), "p1", User{ID: "ann"})
			return err
		},
	}
	for _, sort := range []Sort{Newest, Oldest, Top} {
		for _, flat := range []bool{false, sort != Top} {
			reads[fmt.Sprintf("%s, flat %v", sort, flat)] = func() error {
				_, err := s.Comments(t.Context(), ListQuery{PostID: "42", Sort: sort, Flat: flat, Limit: 10})
				return err
			}
		}
	}
	for name, read := range reads {
		before := rowsRead(t, s.pool)
		streamtest.Must(t, read())
		if n := rowsRead(t, s.pool) - before; n > 500 {
			t.Errorf("%s: %d rows were read", name, n)
		}
	}
}

// The state of a list, which is enough for an answer 304, is read without comments.
func TestListState_ReadsNoComments(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: storetest.Database(t) + "&pool_max_conns=1"})
	streamtest.Must(t, err)
	defer s.Close()
	_, err = s.pool.Exec(t.Context(), `
		insert into tidings.comments (post_id, author_id, body, created_at)
		select '42', 'u' || n, 'x', '2026-01-01Z' from generate_series(1, 500) as n`)
	streamtest.Must(t, err)
	others := func() (scans, rows int64) {
		_, err := s.pool.Exec(t.Context(), `select pg_stat_force_next_flush()`)
		streamtest.Must(t, err)
		streamtest.Must(t, s.pool.QueryRow(t.Context(), `
			select sum(seq_scan + coalesce(idx_scan, 0)) filter (where relname in ('comments', 'counts', 'likes', 'posts', 'users', 'ranks', 'tombstones')),
				sum(seq_tup_read + coalesce(idx_tup_fetch, 0))
			from pg_stat_user_tables
			where schemaname = 'tidings'`).Scan(&scans, &rows))
		return scans, rows
	}
	scans, rows := others()
	for range 10 {
		_, err := s.ListState(t.Context(), "42", "u1")
		streamtest.Must(t, err)
	}
	scansAfter, rowsAfter := others()
	streamtest.Want(t, "scans of other tables than events, epochs and floor", scansAfter-scans, 0)
	if n := rowsAfter - rows; n > 10*10 {
		t.Errorf("10 states read %d rows", n)
	}
}
