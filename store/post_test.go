package store_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestPost(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	t.Run("IsPutAndReplaced", func(t *testing.T) {
		d := db.cleared(t)
		for i, u := range []store.PostUpdate{
			{ID: "42", Title: store.To("Hello"), URL: store.To("https://example.org/42"), AuthorID: store.To("ann"), Locked: store.To(true)},
			{ID: "42", Title: store.To("Hello again"), AuthorID: store.To("bob"), URL: store.Change[string]{Set: true}, Locked: store.Change[bool]{Set: true}},
			{ID: "42", Title: store.Change[string]{Set: true}, AuthorID: store.Change[string]{Set: true}},
		} {
			put, created, err := d.PutPost(t.Context(), u)
			streamtest.Must(t, err)
			streamtest.Want(t, "created", created, i == 0)
			got, err := d.Post(t.Context(), "42", "")
			streamtest.Must(t, err)
			streamtest.Want(t, "the post", got, put)
			streamtest.Want(t, "the post", got, store.Post{
				ID: u.ID, Title: u.Title.Value, URL: u.URL.Value, AuthorID: u.AuthorID.Value,
				Locked: u.Locked.Value != nil && *u.Locked.Value, CreatedAt: got.CreatedAt,
			})
		}
	})

	t.Run("IsCreatedByOneOfManyWhoPutIt", func(t *testing.T) {
		d := db.cleared(t)
		var puts sync.WaitGroup
		var made atomic.Int32
		for range 16 {
			puts.Go(func() {
				_, created, err := d.PutPost(t.Context(), store.PostUpdate{ID: "42"})
				if err != nil {
					t.Error(err)
				}
				if created {
					made.Add(1)
				}
			})
		}
		puts.Wait()
		streamtest.Want(t, "the number of creators", made.Load(), 1)
	})

	t.Run("IsNotFoundBeforeItsFirstComment", func(t *testing.T) {
		d := db.cleared(t)
		_, err := d.Post(t.Context(), "42", "")
		streamtest.WantErr(t, err, store.ErrNotFound)
		d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
		post, err := d.Post(t.Context(), "42", "")
		streamtest.Must(t, err)
		streamtest.Want(t, "the counts", post.Counts, store.Counts{Comments: 1})
		_, created, err := d.PutPost(t.Context(), store.PostUpdate{ID: "42"})
		streamtest.Must(t, err)
		streamtest.Want(t, "created", created, false)
	})

	t.Run("IsRefusedWhenInvalid", func(t *testing.T) {
		d := db.cleared(t)
		for constraint, u := range map[string]store.PostUpdate{
			"posts_id_grammar":     {ID: strings.Repeat("x", 513)},
			"posts_title_length":   {ID: "42", Title: store.To(strings.Repeat("x", 501))},
			"posts_url_length":     {ID: "42", URL: store.To(strings.Repeat("x", 2001))},
			"posts_author_grammar": {ID: "42", AuthorID: store.To("a b")},
			"":                     {ID: "42", Title: store.To("a\x00b")},
		} {
			_, _, err := d.PutPost(t.Context(), u)
			wantInvalid(t, err, constraint)
		}
	})
}

func TestCounts(t *testing.T) {
	t.Parallel()

	d := newDatabase(t)
	d.comment(t, store.NewComment{PostID: "a", Author: ann, Body: "Hello"})
	d.comment(t, store.NewComment{PostID: "a", Author: bob, Body: "Hello"})
	_, err := d.Like(t.Context(), "b", ann)
	streamtest.Must(t, err)
	for _, test := range []struct {
		asked []string
		want  map[string]store.Counts
	}{
		{nil, map[string]store.Counts{}},
		{[]string{"a", "b", "nobody", "a", "a b"}, map[string]store.Counts{"a": {Comments: 2}, "b": {Likes: 1}, "nobody": {}, "a b": {}}},
	} {
		got, err := d.Counts(t.Context(), test.asked)
		streamtest.Must(t, err)
		streamtest.Want(t, "the counts", got, test.want)
	}
}
