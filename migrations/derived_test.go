package migrations_test

import (
	"slices"
	"testing"
)

func TestDerived_OneCountPerTargetAndCommit(t *testing.T) {
	t.Parallel()

	const setup = `
		insert into tidings.posts (id) values ('p'), ('q');
		insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'x'), (2, 'q', 'ann', 'x');
		insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'ann'), ('p', 1, 'ann');
		alter sequence tidings.comments_id_seq restart with 100`
	db := share(t, 1)
	for name, c := range map[string]struct {
		script string
		want   []string // counts
	}{
		"OfComments": {
			`insert into tidings.comments (post_id, author_id, body) select 'p', 'ann', 'x' from generate_series(1, 3);
			insert into tidings.comments (post_id, author_id, body) values ('q', 'ann', 'x'), ('p', 'ann', 'x')`,
			[]string{`post:p comment-count {"count": 5, "postId": "p"}`, `post:q comment-count {"count": 2, "postId": "q"}`},
		},
		"OfRepliesToo": {
			`insert into tidings.comments (post_id, parent_id, author_id, body) values ('p', 1, 'ann', 'x')`,
			[]string{`post:p comment-count {"count": 2, "postId": "p"}`},
		},
		"OfLikes": {
			`insert into tidings.likes (post_id, user_id) values ('p', 'bob'), ('q', 'bob');
			insert into tidings.likes (post_id, user_id) values ('p', 'cy')`,
			[]string{`post:p like-update {"count": 3, "postId": "p"}`, `post:q like-update {"count": 1, "postId": "q"}`},
		},
		"OfLikesOfAComment": {
			`insert into tidings.likes (post_id, comment_id, user_id) values ('p', 1, 'bob'), ('p', 1, 'cy')`,
			[]string{`post:p like-update {"count": 3, "postId": "p", "commentId": "1"}`},
		},
		"OfRemovedLikes": {
			`delete from tidings.likes`,
			[]string{
				`post:p like-update {"count": 0, "postId": "p", "commentId": "1"}`,
				`post:p like-update {"count": 0, "postId": "p"}`,
			},
		},
		"NoneIfTheCommitUndoesItsChange": {
			`insert into tidings.likes (post_id, user_id) values ('p', 'bob');
			delete from tidings.likes where user_id = 'bob';
			insert into tidings.comments (id, post_id, author_id, body) values (9, 'p', 'ann', 'x');
			delete from tidings.comments where id = 9`,
			nil,
		},
		"CommentsBeforeLikes": {
			`insert into tidings.likes (post_id, user_id) values ('p', 'bob');
			insert into tidings.comments (post_id, author_id, body) values ('q', 'ann', 'x')`,
			[]string{`post:q comment-count {"count": 2, "postId": "q"}`, `post:p like-update {"count": 2, "postId": "p"}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, setup)
			before := head(t, conn)
			exec(t, conn, `begin`)
			exec(t, conn, c.script)
			exec(t, conn, `commit`)
			got := list[string](t, conn, `
				select topic || ' ' || name || ' ' || data
				from tidings.log
				where position > $1 and name in ('comment-count', 'like-update')
				order by name, topic, data`, before)
			slices.Sort(c.want)
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			countsAreRight(t, conn)
		})
	}
}

func TestDerived_OwnEventsThenCountsThenNotifications(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, `insert into tidings.posts (id, author_id) values ('p', 'pia'), ('q', 'quin')`)
	before := head(t, conn)
	exec(t, conn, `begin;
		insert into tidings.likes (post_id, user_id) values ('p', 'ann');
		insert into tidings.comments (id, post_id, author_id, body) values (1, 'q', 'ann', 'x');
		insert into tidings.comments (id, post_id, author_id, body) values (2, 'p', 'ann', 'x');
		update tidings.comments set body = 'y' where id = 1;
		select tidings.publish('site:s', 'custom', '{}')`)
	exec(t, conn, `commit`)
	want := []string{
		"post:q new-comment", "post:p new-comment", "post:q comment-updated", "site:s custom",
		"post:p comment-count", "post:q comment-count", "post:p like-update", "user:ann liked",
		"user:pia notification", "user:quin notification", "user:pia notification",
	}
	if got := since(t, conn, before); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	kinds := list[string](t, conn, `select data->>'kind' from tidings.events where name = 'notification' order by position`)
	if want := []string{"like", "comment", "comment"}; !slices.Equal(kinds, want) {
		t.Errorf("notified of %q, want %q", kinds, want)
	}
}

// A new count is a new row at the position of the first event of the commit, so an older
// snapshot finds the count that belongs to it.
func TestDerived_CountsAreAppended(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	for range 3 {
		exec(t, conn, `begin; `+comment+`; `+comment+`; commit`)
	}
	got := list[string](t, conn, `select target || ' ' || comments from tidings.counts order by position`)
	if want := []string{"post:p 2", "post:p 4", "post:p 6"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	counted := list[int64](t, conn, `select position from tidings.counts order by position`)
	told := list[int64](t, conn, `select position from tidings.events where name = 'new-comment' and (data ->> 'id')::bigint % 2 = 1 order by position`)
	if !slices.Equal(counted, told) {
		t.Errorf("counted at %d, told at %d", counted, told)
	}
}

func TestDerived_DeletingAPostDeletesItsCommentsAndLikes(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, `
		insert into tidings.posts (id, author_id) values ('p', 'pia');
		insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'x'), (2, 'p', 'bob', 'y'), (3, 'keep', 'bob', 'z');
		insert into tidings.comments (id, post_id, parent_id, author_id, body, status)
		values (4, 'p', 1, 'bob', 'z', 'published'), (5, 'p', 4, 'bob', 'z', 'pending');
		insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'ann'), ('p', 1, 'ann'), ('p', 4, 'cy'), ('keep', 3, 'cy')`)
	before := head(t, conn)
	exec(t, conn, `delete from tidings.posts where id = 'p'`)

	for table, want := range map[string]int{"posts": 1, "comments": 1, "likes": 1} {
		if n := value[int](t, conn, `select count(*) from tidings.`+table); n != want {
			t.Errorf("%d %s are left, want %d", n, table, want)
		}
	}
	want := []string{
		`post:p post-deleted {"postId": "p"}`, // one event for all of them
		`user:ann notification {"unread": 0, "withdrawn": ["3"]}`,
		`user:bob notification {"unread": 1, "withdrawn": ["6"]}`,
		`user:pia notification {"unread": 0, "withdrawn": ["1", "2", "4", "5"]}`,
	}
	got := full(t, conn, before)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	countsAreRight(t, conn)
	leavesNothing(t, conn)
}

func TestDerived_ACommentWithRepliesCanOnlyGetStatusDeleted(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, `insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'x');
		insert into tidings.comments (id, post_id, parent_id, author_id, body) values (2, 'p', 1, 'bob', 'y')`)
	refused(t, conn, "23503", `delete from tidings.comments where id = 1`)
	exec(t, conn, `update tidings.comments set status = 'deleted' where id = 1`)
	exec(t, conn, `delete from tidings.comments`) // the comment and its reply in one statement
	countsAreRight(t, conn)
	leavesNothing(t, conn)
}
