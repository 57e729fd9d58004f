package store_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// walk turns the pages of a list from the first to the last and returns the ids.
func walk(t *testing.T, d database, q store.ListQuery) (ids []int64) {
	t.Helper()
	limit := q.Limit
	for {
		list, err := d.Comments(t.Context(), q)
		streamtest.Must(t, err)
		for _, c := range list.Comments {
			ids = append(ids, c.ID)
		}
		switch {
		case !list.More:
			return ids
		case len(list.Comments) != limit:
			t.Fatalf("a page of %d comments, want %d", len(list.Comments), limit)
		case len(ids) > 2000:
			t.Fatal("the pages have no end")
		}
		after := list.Comments[limit-1].Place(q.Sort, q.Flat)
		q.After = &after
	}
}

const inOrderOfTime = `
	select array_agg(id order by created_at, id)
	from tidings.comments
	where post_id = '42'`

func TestComments_Pages(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	t.Run("CoverEveryCommentOnceInOrder", func(t *testing.T) {
		d := db.cleared(t)
		// Imported ones are older than their ids say, and many were written at the
		// same moment.
		d.exec(t, `
			insert into tidings.comments (post_id, author_id, body, created_at)
			select p, 'ann', 'Hello', timestamptz '2020-01-01' + interval '1 day' * (g * 7 % 5)
			from generate_series(1, 23) as g, unnest('{42,43}'::text[]) as p`)
		d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Today"})
		ascending := value[[]int64](t, d, inOrderOfTime)
		descending := slices.Clone(ascending)
		slices.Reverse(descending)
		for _, limit := range []int{1, 2, 5, 23, 24, 25} {
			streamtest.Want(t, fmt.Sprintf("oldest first by %d", limit), walk(t, d, store.ListQuery{PostID: "42", Flat: true, Sort: store.Oldest, Limit: limit}), ascending)
			streamtest.Want(t, fmt.Sprintf("newest first by %d", limit), walk(t, d, store.ListQuery{PostID: "42", Flat: true, Limit: limit}), descending)
		}
	})

	t.Run("AreNotShiftedByNewComments", func(t *testing.T) {
		d := db.cleared(t)
		d.exec(t, `
			insert into tidings.comments (post_id, author_id, body)
			select '42', 'ann', 'Hello'
			from generate_series(1, 60)`)
		before := value[[]int64](t, d, inOrderOfTime)
		stop := run(t, func(ctx context.Context) error {
			for ctx.Err() == nil {
				if _, err := d.CreateComment(context.WithoutCancel(ctx), store.NewComment{PostID: "42", Author: bob, Body: "New"}); err != nil {
					return err
				}
			}
			return nil
		})
		for range 3 {
			for _, sort := range []store.Sort{store.Oldest, store.Newest} {
				ids := walk(t, d, store.ListQuery{PostID: "42", Sort: sort, Limit: 7})
				for _, id := range before {
					i := slices.Index(ids, id)
					if i < 0 || slices.Contains(ids[i+1:], id) {
						t.Fatalf("%s first: comment %d is missing or twice in %v", sort, id, ids)
					}
				}
			}
		}
		stop()
	})
}

func TestComments(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	t.Run("AreEmptyForAnUnknownPost", func(t *testing.T) {
		d := db.cleared(t)
		list, err := d.Comments(t.Context(), store.ListQuery{PostID: "nobody", Viewer: "ann", Limit: 10})
		streamtest.Must(t, err)
		streamtest.Want(t, "the list", list, store.CommentList{
			Comments: []store.ListedComment{}, Post: store.Post{ID: "nobody"},
			State: store.ListState{Epoch: 1, Cursor: stream.Cursor{Epoch: 1}},
		})
	})

	t.Run("HaveCountsAndTheViewersLike", func(t *testing.T) {
		d := db.cleared(t)
		root := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
		d.exec(t, `insert into tidings.likes (post_id, comment_id, user_id) values ('42', $1, 'cid')`, root.ID)
		_, err := d.Like(t.Context(), "42", bob)
		streamtest.Must(t, err)
		for viewer, liked := range map[string]bool{"bob": true, "ann": false, "cid": false, "": false} {
			list, err := d.Comments(t.Context(), store.ListQuery{PostID: "42", Viewer: viewer, Limit: 10})
			streamtest.Must(t, err)
			streamtest.Want(t, viewer+" likes it", list.Liked, liked)
			streamtest.Want(t, "the counts", list.Post.Counts, store.Counts{Comments: 1, Likes: 1})
			streamtest.Want(t, "the comment's likes", list.Comments[0].Likes, 1)
		}
	})

	t.Run("HideUnpublishedComments", func(t *testing.T) {
		d := db.cleared(t)
		d.exec(t, `
			insert into tidings.comments (post_id, author_id, body, status)
			select '42', 'ann', 'Hello', status
			from unnest('{pending,rejected,spam,deleted,published}'::text[]) as status`)
		list := d.list(t, "42")
		streamtest.Want(t, "the comments", len(list.Comments), 1)
		streamtest.Want(t, "the status", list.Comments[0].Status, store.StatusPublished)
		streamtest.Want(t, "the count", list.Post.Counts.Comments, 1)
	})

	t.Run("NameAnUnknownAuthorByItsID", func(t *testing.T) {
		d := db.cleared(t)
		d.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('42', 'auth0|5f', 'Hello')`)
		d.exec(t, `delete from tidings.users`)
		streamtest.Want(t, "the author", d.list(t, "42").Comments[0].Author, user("auth0|5f"))
	})

	t.Run("RefuseAnInvalidViewer", func(t *testing.T) {
		d := db.cleared(t)
		_, err := d.Comments(t.Context(), store.ListQuery{PostID: "42", Viewer: "a\x00b", Limit: 10})
		wantInvalid(t, err, "")
	})
}

// A snapshot is one list, changed by the events after it.
type snapshot struct {
	store.CommentList
	ids map[int64]bool
}

func takeSnapshot(ctx context.Context, d database) (snapshot, error) {
	list, err := d.Comments(ctx, store.ListQuery{PostID: "42", Flat: true, Limit: 100_000})
	s := snapshot{CommentList: list, ids: make(map[int64]bool)}
	for _, c := range list.Comments {
		s.ids[c.ID] = true
	}
	return s, err
}

// follow applies the events after the snapshot, and reports an error if one of them adds
// or deletes a comment that the snapshot has already added or deleted.
func (s *snapshot) follow(t *testing.T, events []stream.Event) {
	t.Helper()
	for _, e := range events {
		switch e.Name.String() {
		case "new-comment", "comment-deleted":
			id := decode[struct {
				ID int64 `json:"id,string"`
			}](t, e).ID
			added := e.Name.String() == "new-comment"
			if s.ids[id] == added {
				t.Fatalf("from the list at %v, %v at %v repeats the change of comment %d", s.State.Cursor, e.Name, e.Cursor, id)
			}
			if added {
				s.ids[id] = true
			} else {
				delete(s.ids, id)
			}
		case "comment-count":
			s.Post.Counts.Comments = decode[struct{ Count int64 }](t, e).Count
		}
	}
}

// scribble writes to post 42 through the store and by SQL, at random.
func scribble(ctx context.Context, d database, rng *rand.Rand) error {
	switch rng.IntN(6) {
	case 0, 1:
		_, err := d.CreateComment(ctx, store.NewComment{PostID: "42", Author: ann, Body: "By the API"})
		return err
	case 2:
		c, err := d.CreateComment(ctx, store.NewComment{PostID: "42", Author: ann, Body: "Soon gone"})
		if err != nil {
			return err
		}
		return d.DeleteComment(ctx, c.ID, "ann", false, nil)
	case 3:
		_, err := d.sql.Exec(ctx, `
			insert into tidings.comments (post_id, author_id, body)
			select '42', 'bob', 'By SQL'
			from generate_series(1, 5)`)
		return err
	}
	// A transaction that stays open while others commit, and may be rolled back.
	tx, err := d.sql.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	for range 1 + rng.IntN(20) {
		_, err := tx.Exec(ctx, `insert into tidings.comments (post_id, author_id, body) values ('42', 'cid', 'By and by')`)
		if err != nil {
			return err
		}
	}
	if rng.IntN(3) == 0 {
		return nil
	}
	return tx.Commit(ctx)
}

// TestComments_CursorIsTheSnapshots checks that a stream from the cursor of a list, loaded
// at any moment, has every change after the list and no other.
func TestComments_CursorIsTheSnapshots(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var writers sync.WaitGroup
	written := make(chan struct{}, 1) // a list is loaded after each few writes
	for i := range uint64(4) {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(seed, i))
			for range 30 {
				if err := scribble(t.Context(), d, rng); err != nil {
					t.Error(err)
				}
				select {
				case written <- struct{}{}:
				default: // the list before is still being loaded
				}
			}
		})
	}
	go func() { writers.Wait(); close(written) }()
	var lists []snapshot
	for range written {
		s, err := takeSnapshot(t.Context(), d)
		streamtest.Must(t, err)
		lists = append(lists, s)
	}
	last, err := takeSnapshot(t.Context(), d)
	streamtest.Must(t, err)
	t.Logf("%d lists of up to %d comments", len(lists), len(last.ids))
	rand.Shuffle(len(lists), func(i, j int) { lists[i], lists[j] = lists[j], lists[i] })
	for _, s := range lists[:min(len(lists), 25)] {
		if int(s.Post.Counts.Comments) != len(s.ids) {
			t.Fatalf("the list at %v counts %d comments and has %d", s.State.Cursor, s.Post.Counts.Comments, len(s.ids))
		}
		s.follow(t, d.events(t, s.State.Cursor.Position, "post:42"))
		if !maps.Equal(s.ids, last.ids) || s.Post.Counts != last.Post.Counts {
			t.Fatalf("from the list at %v, a reader arrives at %d comments and the count %d, want %d and %d",
				s.State.Cursor, len(s.ids), s.Post.Counts.Comments, len(last.ids), last.Post.Counts.Comments)
		}
	}
}
