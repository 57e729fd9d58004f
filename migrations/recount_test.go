package migrations_test

import (
	"slices"
	"testing"
)

func TestRecount_RepairsAndPublishesWrongCounts(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, setting)
	exec(t, conn, `insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'cy'), ('p', 1, 'cy'), ('p', 1, 'dee')`)
	before := head(t, conn)
	if n := value[int](t, conn, `select tidings.recount()`); n != 0 || head(t, conn) != before {
		t.Errorf("%d repaired of none, events %q", n, since(t, conn, before))
	}

	exec(t, conn, `
		delete from tidings.counts where target = 'post:p';
		insert into tidings.counts (target, position, comments, likes, unread) values
			('comment:1', 10000, 9, 9, 0), ('comment:404', 10000, 1, 1, 0), ('post:404', 10000, 3, 3, 0), ('user:ann', 10000, 0, 0, 9);
		select setval('tidings.positions', 20000)`)
	before = head(t, conn)
	if n := value[int](t, conn, `select tidings.recount()`); n != 5 {
		t.Errorf("%d repaired, want 5", n)
	}
	want := []string{
		`post:404 comment-count {"count": 0, "postId": "404"}`,
		`post:p comment-count {"count": 1, "postId": "p"}`,
		`post:404 like-update {"count": 0, "postId": "404"}`,
		`post:p like-update {"count": 1, "postId": "p"}`,
		`post:p like-update {"count": 2, "postId": "p", "commentId": "1"}`,
		`user:ann notification {"read": null, "unread": 1}`, // two likes of one comment,
	}
	got := full(t, conn, before)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	countsAreRight(t, conn)
	leavesNothing(t, conn)
}

// Changes that are not numbered yet would be counted, and then added.
func TestRecount_MustComeFirstInItsTransaction(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, comment)
	exec(t, conn, `begin; `+comment)
	if err := refused(t, conn, "25001", `select tidings.recount()`); err.Hint == "" {
		t.Error("no hint")
	}
	exec(t, conn, `rollback`)
	exec(t, conn, `delete from tidings.counts; begin; select tidings.recount(); `+comment+`; commit`)
	countsAreRight(t, conn)
}

func TestRecount_WaitsForTheTurn(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	other, watch := connect(t, dsn), connect(t, dsn)
	exec(t, conn, comment)
	exec(t, other, `begin; lock table tidings.turn in exclusive mode; `+comment)
	counted := start(t, conn, `select tidings.recount()`)
	awaitBlocked(t, watch, conn, other)
	exec(t, other, `commit`)
	if err := <-counted; err != nil {
		t.Fatal(explain(err))
	}
	countsAreRight(t, watch)
}
