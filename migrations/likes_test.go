package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	. "github.com/tidings-live/tidings/stream/streamtest"
)

// likedSince lists the events liked after a position, each as "topic data".
func likedSince(t *testing.T, conn *pgx.Conn, position int64) []string {
	t.Helper()
	return list[string](t, conn, `
		select topic || ' ' || data
		from tidings.events
		where name = 'liked' and position > $1
		order by position`, position)
}

func TestLikes_TellTheUser(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	exec(t, conn, `
		insert into tidings.posts (id, author_id) values ('p', 'pia'), ('q', null);
		insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'one'), (2, 'p', 'ann', 'two');`)
	for _, step := range []struct {
		does, sql string
		want      []string
	}{
		{"a like of a post with an author", `insert into tidings.likes (post_id, user_id) values ('p', 'bob')`,
			[]string{`user:bob {"liked": true, "postId": "p"}`}},
		{"likes of a post without an author", `insert into tidings.likes (post_id, user_id) values ('q', 'bob'), ('q', 'cy')`,
			[]string{`user:bob {"liked": true, "postId": "q"}`, `user:cy {"liked": true, "postId": "q"}`}},
		{"a like of a comment and of an unknown post", `insert into tidings.likes (post_id, comment_id, user_id) values ('p', 1, 'bob'), ('new', null, 'dee')`,
			[]string{`user:bob {"liked": true, "postId": "p", "commentId": "1"}`, `user:dee {"liked": true, "postId": "new"}`}},
		{"a repeated like", `insert into tidings.likes (post_id, user_id) values ('p', 'bob') on conflict do nothing`, []string{}},
		{"a like that is rolled back", `begin; insert into tidings.likes (post_id, user_id) values ('p', 'cy'); rollback`, []string{}},
		{"an unlike", `delete from tidings.likes where post_id = 'q' and user_id = 'bob'`,
			[]string{`user:bob {"liked": false, "postId": "q"}`}},
		{"an unlike of a comment", `delete from tidings.likes where comment_id = 1`,
			[]string{`user:bob {"liked": false, "postId": "p", "commentId": "1"}`}},
		{"an unlike and a like", `begin;
			delete from tidings.likes where post_id = 'p' and user_id = 'bob';
			insert into tidings.likes (post_id, user_id) values ('p', 'bob');
			commit`,
			[]string{`user:bob {"liked": false, "postId": "p"}`, `user:bob {"liked": true, "postId": "p"}`}},
		{"no rows", `delete from tidings.likes where user_id = 'nobody'`, []string{}},
		{"a deleted post", `delete from tidings.posts where id = 'q'`, []string{}},
		{"likes of hidden comments", `begin;
			update tidings.comments set status = 'pending';
			insert into tidings.likes (post_id, comment_id, user_id) values ('p', 1, 'bob'), ('p', 2, 'cy');
			commit`,
			[]string{`user:bob {"liked": true, "postId": "p", "commentId": "1"}`, `user:cy {"liked": true, "postId": "p", "commentId": "2"}`}},
		{"the comments are shown", `update tidings.comments set status = 'published'`,
			[]string{`user:bob {"liked": true, "postId": "p", "commentId": "1"}`, `user:cy {"liked": true, "postId": "p", "commentId": "2"}`}},
		{"a deleted comment", `delete from tidings.comments where id = 1`, []string{}},
		{"a reply to a hidden comment", `begin;
			update tidings.comments set status = 'spam' where id = 2;
			insert into tidings.comments (id, post_id, parent_id, author_id, body, status) values (3, 'p', 2, 'ann', 'three', 'pending');
			commit`,
			[]string{}},
		{"a tombstone appears", `update tidings.comments set status = 'published' where id = 3`, []string{}},
		{"a like of the tombstone", `insert into tidings.likes (post_id, comment_id, user_id) values ('p', 2, 'bob')`,
			[]string{`user:bob {"liked": true, "postId": "p", "commentId": "2"}`}},
		{"the tombstone goes", `update tidings.comments set status = 'pending' where id = 3`, []string{}},
	} {
		before := head(t, conn)
		exec(t, conn, step.sql)
		Want(t, "the events liked after "+step.does, likedSince(t, conn, before), step.want)
		countsAreRight(t, conn)
	}
	leavesNothing(t, conn)
}

// A statement with 10,000 likes of 100 comments and a post causes one like-update for each
// target and one liked for each like.
func TestLikes_ManyInAStatement(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	exec(t, conn, `
		insert into tidings.comments (id, post_id, author_id, body)
		select n, 'p', 'ann', 'hello' from generate_series(1, 100) as n`)
	before := head(t, conn)
	exec(t, conn, `
		insert into tidings.likes (post_id, comment_id, user_id)
		select 'p', nullif(c, 0), 'u' || n
		from generate_series(0, 99) as c
		cross join generate_series(1, 100) as n`)
	type tally struct {
		Name            string
		Events, Targets int
	}
	rows, _ := conn.Query(t.Context(), `
		select name, count(*)::int as events, count(distinct (topic, data -> 'commentId'))::int as targets
		from tidings.events
		where position > $1 and name in ('like-update', 'liked')
		group by name
		order by name`, before)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[tally])
	Must(t, err)
	Want(t, "the events", all, []tally{{"like-update", 100, 100}, {"liked", 10_000, 10_000}})
	Want(t, "the counts", value[int](t, conn, `
		select count(*)
		from tidings.events
		where position > $1 and name = 'like-update' and data -> 'count' = '100'`, before), 100)
	countsAreRight(t, conn)
	leavesNothing(t, conn)
}

// A like that is removed while another transaction shows its comment again does not come back.
func TestLikes_RemovedWhileTheCommentIsShown(t *testing.T) {
	t.Parallel()
	conn, dsn := database(t)
	exec(t, conn, `
		insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'one');
		insert into tidings.likes (post_id, comment_id, user_id) values ('p', 1, 'bob'), ('p', 1, 'cy');
		update tidings.comments set status = 'spam'`)
	before := head(t, conn)
	other := connect(t, dsn)
	exec(t, conn, `begin`)
	exec(t, conn, `update tidings.comments set status = 'published'`)
	exec(t, other, `delete from tidings.likes where user_id = 'bob'`)
	exec(t, conn, `commit`)
	Want(t, "the events liked", likedSince(t, conn, before), []string{
		`user:bob {"liked": false, "postId": "p", "commentId": "1"}`,
		`user:cy {"liked": true, "postId": "p", "commentId": "1"}`,
	})
}
