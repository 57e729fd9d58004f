package store_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// outline writes a list as "3[4 5+] 1": ids, and the first replies of each; + for more.
func outline(list store.CommentList) string {
	var parts []string
	for _, c := range list.Comments {
		part := fmt.Sprint(c.ID)
		var below []string
		for _, r := range c.Below {
			below = append(below, fmt.Sprint(r.ID))
		}
		if c.MoreBelow {
			below = append(below, "+")
		}
		if below != nil {
			part += "[" + strings.Join(below, " ") + "]"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

// threads has four roots: 1 with five comments below, 2 with likes, 3 pinned, 4 hidden above a
// visible comment, and 5 hidden.
const threads = `
	insert into tidings.comments (id, post_id, parent_id, author_id, body) values
		(1, '42', null, 'ann', 'x'), (2, '42', null, 'ann', 'x'), (3, '42', null, 'ann', 'x'),
		(4, '42', null, 'ann', 'x'), (5, '42', null, 'ann', 'x'),
		(11, '42', 1, 'bob', 'x'), (12, '42', 11, 'bob', 'x'), (13, '42', 1, 'bob', 'x'), (14, '42', 12, 'bob', 'x'),
		(15, '42', 1, 'bob', 'x'), (16, '42', 4, 'bob', 'x');
	update tidings.comments set created_at = timestamptz '2026-01-01' + interval '1 hour' * id;
	update tidings.comments set pinned_at = now() where id = 3;
	update tidings.comments set status = 'spam' where id in (4, 5);
	insert into tidings.likes (post_id, comment_id, user_id) values ('42', 2, 'ann'), ('42', 2, 'bob'), ('42', 1, 'ann'), ('42', 11, 'bob')`

func TestComments_Threads(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, threads)
	for name, c := range map[string]struct {
		query store.ListQuery
		want  string
	}{
		"Newest": {store.ListQuery{}, "3 4[16] 2 1[11 12 13 +]"},
		"Oldest": {store.ListQuery{Sort: store.Oldest}, "3 1[11 12 13 +] 2 4[16]"},
		"Top":    {store.ListQuery{Sort: store.Top}, "3 2 1[11 12 13 +] 4[16]"},
		"Flat":   {store.ListQuery{Flat: true}, "16 15 14 13 12 11 4 3 2 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := c.query
			q.PostID, q.Viewer, q.Limit = "42", "bob", 100
			list, err := d.Comments(t.Context(), q)
			streamtest.Must(t, err)
			streamtest.Want(t, "the list", outline(list), c.want)
			var all []int64
			for _, l := range list.Comments {
				all = append(all, l.ID)
				streamtest.Want(t, fmt.Sprintf("bob likes %d", l.ID), l.Liked, l.ID == 2 || l.ID == 11)
				for _, r := range l.Below {
					streamtest.Want(t, fmt.Sprintf("bob likes %d", r.ID), r.Liked, r.ID == 11)
				}
				if l.ID == 1 {
					streamtest.Want(t, "counts", []int64{l.Likes, l.Replies, l.ThreadCount}, []int64{1, 3, 5})
				}
			}
			for limit := 1; limit <= len(all); limit++ {
				q.Limit = limit
				streamtest.Want(t, fmt.Sprintf("by %d", limit), walk(t, d, q), all)
			}
		})
	}
}

// Pinned comments come first on all pages, the last one that was pinned on top.
func TestComments_PagesOfPinned(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, `
		insert into tidings.comments (post_id, author_id, body, pinned_at)
		select '42', 'ann', 'x', case when n <= 5 then timestamptz '2026-01-01' + interval '1 hour' * (n / 2) end
		from generate_series(1, 9) as n`)
	for _, limit := range []int{1, 2, 3, 5, 6, 9, 10} {
		got := walk(t, d, store.ListQuery{PostID: "42", Sort: store.Oldest, Limit: limit})
		streamtest.Want(t, fmt.Sprintf("by %d", limit), got, []int64{5, 4, 3, 2, 1, 6, 7, 8, 9})
	}
}

func TestReplies(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, threads)
	for id, want := range map[int64]string{1: "11 12 13 14 15", 11: "12", 12: "14", 4: "16", 2: ""} {
		list, err := d.Replies(t.Context(), store.RepliesQuery{ID: id, Limit: 10})
		streamtest.Must(t, err)
		streamtest.Want(t, fmt.Sprintf("replies to %d", id), outline(list), want)
		var pages []string
		q := store.RepliesQuery{ID: id, Limit: 1}
		for more := want != ""; more; {
			list, err := d.Replies(t.Context(), q)
			streamtest.Must(t, err)
			pages = append(pages, outline(list))
			after := list.Comments[0].Place(store.Oldest, true)
			q.After, more = &after, list.More
		}
		streamtest.Want(t, fmt.Sprintf("replies to %d by one", id), strings.Join(pages, " "), want)
	}
	for _, id := range []int64{5, 99} {
		_, err := d.Replies(t.Context(), store.RepliesQuery{ID: id, Limit: 10})
		streamtest.WantErr(t, err, store.ErrNotFound)
	}
}

// Large texts end a page early, between two roots.
func TestComments_LargePagesEndBetweenRoots(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, `
		insert into tidings.comments (id, post_id, parent_id, author_id, body)
		select n, '42', case when n > 100 then n % 100 + 1 end, 'ann', repeat('😀', 5000) from generate_series(1, 500) as n`)
	list, err := d.Comments(t.Context(), store.ListQuery{PostID: "42", Sort: store.Oldest, Limit: 100})
	streamtest.Must(t, err)
	if n := len(list.Comments); !list.More || n < 5 || n > 20 {
		t.Errorf("%d roots, more %v", n, list.More)
	}
	for _, c := range list.Comments {
		streamtest.Want(t, fmt.Sprintf("replies of %d", c.ID), len(c.Below), store.FirstReplies)
	}
	streamtest.Want(t, "by 30", len(slices.Compact(walk(t, d, store.ListQuery{PostID: "42", Flat: true, Limit: 30}))), 500)
}

// The state of a list changes with all that it shows, and with each event of its viewer. Other events
// do not change it.
func TestListState(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, threads)
	state := func() int64 {
		t.Helper()
		s, err := d.ListState(t.Context(), "42", "bob")
		streamtest.Must(t, err)
		list, err := d.Comments(t.Context(), store.ListQuery{PostID: "42", Viewer: "bob", Limit: 1})
		streamtest.Must(t, err)
		streamtest.Want(t, "state of the list", list.State, s)
		return s.Changed
	}
	for sql, changes := range map[string]bool{
		`insert into tidings.comments (id, post_id, author_id, body) values (100, '42', 'ann', 'x')`: true,
		`insert into tidings.comments (id, post_id, author_id, body) values (101, '43', 'ann', 'x')`: false,
		`update tidings.comments set body = 'y' where id = 1`:                                        true,
		`update tidings.comments set pinned_at = now() where id = 1`:                                 true,
		`update tidings.comments set status = 'spam' where id = 13`:                                  true,
		`update tidings.posts set title = 'T' where id = '42'`:                                       true,
		`update tidings.users set name = 'Ann B.' where id = 'ann'`:                                  true,
		`insert into tidings.likes (post_id, comment_id, user_id) values ('42', 14, 'bob')`:          true,
		`insert into tidings.likes (post_id, user_id) values ('43', 'bob')`:                          true,
		`insert into tidings.likes (post_id, user_id) values ('43', 'cy')`:                           false,
	} {
		before := state()
		d.exec(t, sql)
		if after := state(); (after != before) != changes {
			t.Errorf("%s: from %d to %d", sql, before, after)
		}
	}
	// The event is gone: the state is another one than all before.
	before := state()
	d.exec(t, `delete from tidings.events`)
	if after := state(); after < before {
		t.Errorf("from %d to %d", before, after)
	}
}

func TestEditComment(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, threads)
	own := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "first"})
	number := func(n int) *int { return &n }
	text := func(s string) *string { return &s }
	for name, c := range map[string]struct {
		edit store.CommentEdit
		want error
	}{
		"Other":               {store.CommentEdit{ID: own.ID, By: "bob", Body: text("y"), Window: time.Hour}, store.ErrNotAuthor},
		"Unknown":             {store.CommentEdit{ID: 99, By: "ann", Body: text("y"), Window: time.Hour}, store.ErrNotFound},
		"Hidden":              {store.CommentEdit{ID: 5, By: "ann", Body: text("y"), Window: time.Hour}, store.ErrNotFound},
		"TooLate":             {store.CommentEdit{ID: 1, By: "ann", Body: text("y"), Window: time.Hour}, store.ErrTooLate},
		"NoWindow":            {store.CommentEdit{ID: own.ID, By: "ann", Body: text("y")}, store.ErrTooLate},
		"OldVersion":          {store.CommentEdit{ID: own.ID, By: "ann", Body: text("y"), Window: time.Hour, Version: number(7)}, store.ErrVersion},
		"OldVersionModerator": {store.CommentEdit{ID: own.ID, By: "mod", Moderator: true, Body: text("y"), Version: number(7)}, store.ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.EditComment(t.Context(), c.edit)
			streamtest.WantErr(t, err, c.want)
		})
	}
	_, err := d.EditComment(t.Context(), store.CommentEdit{ID: own.ID, By: "ann", Body: text("\u200b"), Window: time.Hour})
	wantInvalid(t, err, "comments_body_length")

	edited, err := d.EditComment(t.Context(), store.CommentEdit{ID: own.ID, By: "ann", Body: text("second"), Window: time.Hour, Version: number(1)})
	streamtest.Must(t, err)
	streamtest.Want(t, "edited", fmt.Sprint(edited.Body, edited.Version, edited.EditedAt != nil), "second2 true")
	edited, err = d.EditComment(t.Context(), store.CommentEdit{ID: own.ID, By: "mod", Moderator: true, Body: text("third")})
	streamtest.Must(t, err)
	_, err = d.EditComment(t.Context(), store.CommentEdit{ID: 5, By: "mod", Moderator: true, Body: text("held")})
	streamtest.Must(t, err)

	page, more, err := d.Revisions(t.Context(), store.RevisionQuery{ID: own.ID, Limit: 1})
	streamtest.Must(t, err)
	streamtest.Want(t, "newest revision", fmt.Sprint(page[0].Version, page[0].Body, more), "2secondtrue")
	page, more, err = d.Revisions(t.Context(), store.RevisionQuery{ID: own.ID, After: 2, Limit: 1})
	streamtest.Must(t, err)
	streamtest.Want(t, "oldest revision", fmt.Sprint(page[0].Version, page[0].Body, more), "1firstfalse")
	_, _, err = d.Revisions(t.Context(), store.RevisionQuery{ID: 99, Limit: 1})
	streamtest.WantErr(t, err, store.ErrNotFound)
}

func TestModeration(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, threads)
	own := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "text"})
	streamtest.Must(t, d.DeleteComment(t.Context(), own.ID, "ann", false, nil))
	before := d.head(t)
	restored, err := d.SetStatus(t.Context(), own.ID, store.StatusPublished, "mod", nil)
	streamtest.Must(t, err)
	streamtest.Want(t, "restored", fmt.Sprint(restored.Status, " ", restored.Body, " ", restored.EditedAt), "published text <nil>")
	streamtest.Want(t, "by", decode[struct{ By string }](t, named(d.events(t, before.Position), "moderation")[0]).By, "mod")

	for _, status := range []string{store.StatusPending, store.StatusSpam, store.StatusRejected} {
		held, err := d.SetStatus(t.Context(), own.ID, status, "mod", nil)
		streamtest.Must(t, err)
		streamtest.Want(t, "status and body", held.Status+" "+held.Body, status+" text")
		list, err := d.Moderation(t.Context(), store.ModerationQuery{Status: status, Limit: 10})
		streamtest.Must(t, err)
		last := list.Comments[len(list.Comments)-1]
		streamtest.Want(t, "the last one", last, held)
		streamtest.Want(t, "pending", list.Pending == 1, status == store.StatusPending)
	}
	_, err = d.SetStatus(t.Context(), own.ID, "other", "mod", nil)
	wantInvalid(t, err, "comments_status")
	_, err = d.SetStatus(t.Context(), 99, store.StatusSpam, "mod", nil)
	streamtest.WantErr(t, err, store.ErrNotFound)

	list, err := d.Moderation(t.Context(), store.ModerationQuery{Status: store.StatusSpam, Limit: 1})
	streamtest.Must(t, err)
	streamtest.Want(t, "first page", fmt.Sprint(list.Comments[0].ID, list.More), "4 true")
	list, err = d.Moderation(t.Context(), store.ModerationQuery{
		Status: store.StatusSpam, Limit: 1, After: &store.Place{At: list.Comments[0].CreatedAt, ID: 4},
	})
	streamtest.Must(t, err)
	streamtest.Want(t, "second page", fmt.Sprint(list.Comments[0].ID, list.More), "5 false")

	pinned, err := d.SetPin(t.Context(), 2, true, "mod", nil)
	streamtest.Must(t, err)
	again, err := d.SetPin(t.Context(), 2, true, "mod", nil)
	streamtest.Must(t, err)
	streamtest.Want(t, "pinned again", again, pinned)
	again, err = d.SetPin(t.Context(), 2, false, "mod", nil)
	streamtest.Must(t, err)
	streamtest.Want(t, "unpinned", again.PinnedAt == nil && pinned.PinnedAt != nil, true)
	_, err = d.SetPin(t.Context(), 11, true, "mod", nil)
	wantInvalid(t, err, "")
}

// The order by likes is that of the newest counts, also where many comments have one rank, and
// after likes, comments and posts were deleted.
func TestComments_TopFollowsLikes(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, `
		insert into tidings.comments (id, post_id, parent_id, author_id, body)
		select n, '42', case when n > 30 then n - 30 end, 'ann', 'x' from generate_series(1, 40) as n`)
	const order = `
		select array_agg(id order by likes desc, id desc)
		from (
			select id, (select count(*) from tidings.likes where comment_id = c.id) as likes
			from tidings.comments as c
			where post_id = '42' and parent_id is null
				and (status = 'published' or exists (select from tidings.comments as r where r.parent_id = c.id and r.status = 'published'))
		) as root`
	for _, sql := range []string{
		`insert into tidings.likes (post_id, comment_id, user_id) select '42', n, 'u' || u from generate_series(1, 40) as n, generate_series(1, n % 8 * 12) as u`,
		`insert into tidings.likes (post_id, comment_id, user_id) select '42', n, 'v' || u from generate_series(1, 40, 3) as n, generate_series(1, 60 + n) as u`,
		`delete from tidings.likes where hashtext(comment_id || user_id) % 3 = 0`,
		`update tidings.comments set status = 'spam' where id in (8, 12, 31)`,
		`delete from tidings.comments where id in (20, 25)`,
		`delete from tidings.likes where comment_id > 10`,
		`delete from tidings.likes`,
	} {
		d.exec(t, sql)
		var want []int64
		streamtest.Must(t, d.sql.QueryRow(t.Context(), order).Scan(&want))
		for _, limit := range []int{1, 2, 5, 29, 30, 31} {
			got := walk(t, d, store.ListQuery{PostID: "42", Sort: store.Top, Limit: limit})
			streamtest.Want(t, fmt.Sprintf("after %s, by %d", sql, limit), got, want)
		}
	}
	d.exec(t, `insert into tidings.likes (post_id, comment_id, user_id) values ('42', 1, 'ann')`)
	d.exec(t, `delete from tidings.posts`)
	var left int
	streamtest.Must(t, d.sql.QueryRow(t.Context(), `select count(*) from tidings.ranks`).Scan(&left))
	streamtest.Want(t, "rows of ranks after the post was deleted", left, 0)
}

// Two users delete a comment and its last reply at the same time, and moderators hide and approve
// them: no tombstone is left, and none is missing.
func TestDeleteComment_AtTheSameTime(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(t, `
		insert into tidings.comments (id, post_id, parent_id, author_id, body)
		select n, '42', case when n % 3 <> 1 then n - 1 end, 'ann', 'x' from generate_series(1, 60) as n`)
	all := func(change func(id int64) error) {
		t.Helper()
		var running sync.WaitGroup
		for id := range int64(60) {
			running.Go(func() { streamtest.Must(t, change(id+1)) })
		}
		running.Wait()
		streamtest.Want(t, "tombstones missing", value[int64](t, d, `
			with recursive above as (
				select parent_id as id from tidings.comments where status = 'published'
				union
				select c.parent_id from above join tidings.comments as c using (id)
			)
			select count(*) from above join tidings.comments as c using (id)
			where c.status <> 'published' and not exists (select from tidings.tombstones where tombstones.id = c.id)`), 0)
		streamtest.Want(t, "repaired by a recount", value[int64](t, d, `select tidings.recount()`), 0)
	}
	set := func(status string, of func(id int64) bool) func(id int64) error {
		return func(id int64) error {
			if !of(id) {
				return nil
			}
			_, err := d.SetStatus(t.Context(), id, status, "mia", nil)
			return err
		}
	}
	every := func(int64) bool { return true }
	all(func(id int64) error { return d.DeleteComment(t.Context(), id, "ann", false, nil) })
	streamtest.Want(t, "tombstones", value[int64](t, d, `select count(*) from tidings.tombstones`), 0)
	all(set(store.StatusPublished, func(id int64) bool { return id%3 == 0 })) // the last reply of each
	streamtest.Want(t, "tombstones", value[int64](t, d, `select count(*) from tidings.tombstones`), 40)
	all(set(store.StatusPublished, every))
	all(set(store.StatusSpam, func(id int64) bool { return id%2 == 0 }))
	all(set(store.StatusPending, every))
	streamtest.Want(t, "tombstones", value[int64](t, d, `select count(*) from tidings.tombstones`), 0)
}
