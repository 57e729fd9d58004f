package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// keyOrNone are the idempotency keys of tests: without a key and with one, comments go
// through different statements.
var keyOrNone = []string{"", "k1"}

// rendered returns a comment as the API and the log encode it.
func rendered(t *testing.T, c store.Comment) map[string]any {
	t.Helper()
	stamp := func(at *time.Time) any {
		if at == nil {
			return nil
		}
		return at.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	id := func(id *int64) any {
		if id == nil {
			return nil
		}
		return fmt.Sprint(*id)
	}
	text, err := json.Marshal(map[string]any{
		"id": fmt.Sprint(c.ID), "postId": c.PostID, "parentId": id(c.ParentID), "rootId": id(c.RootID), "pinnedAt": stamp(c.PinnedAt),
		"author":    map[string]any{"id": c.Author.ID, "name": c.Author.Name, "avatarUrl": c.Author.AvatarURL},
		"body":      c.Body,
		"status":    c.Status,
		"likeCount": c.Likes, "replyCount": c.Replies, "threadCount": c.ThreadCount,
		"createdAt": stamp(&c.CreatedAt), "editedAt": stamp(c.EditedAt),
		"version": c.Version,
	})
	streamtest.Must(t, err)
	var v map[string]any
	streamtest.Must(t, json.Unmarshal(text, &v))
	return v
}

func TestCreateComment(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	t.Run("IsTheSameInTheAnswerTheListAndTheLog", func(t *testing.T) {
		d := db.cleared(t)
		root := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
		for _, c := range []store.NewComment{
			{PostID: "42", Author: bob, Body: "Hello Ann", ParentID: &root.ID},
			{PostID: "42", Author: bob, Body: "\"quoted\"\\ <b>&amp;</b>\n\t\u2028\u0085 😀 \u202e\x7f\x01"},
		} {
			created := d.comment(t, c)
			list := d.list(t, "42")
			published := named(d.events(t, 0), "new-comment")
			listed := rendered(t, list.Comments[0].Comment)
			streamtest.Want(t, "the created comment", rendered(t, created), listed)
			event := decode[map[string]any](t, published[len(published)-1])
			delete(event, "thread") // the totals of the thread of a reply
			streamtest.Want(t, "the event's data", event, listed)
			streamtest.Want(t, "the body", created.Body, c.Body)
			streamtest.Want(t, "the author", list.Comments[0].Author, bob)
			streamtest.Want(t, "the parent", list.Comments[0].ParentID, c.ParentID)
		}
		list := d.list(t, "42")
		streamtest.Want(t, "the root's replies", list.Comments[2].Replies, 1)
		streamtest.Want(t, "the post's comments", list.Post.Comments, 3)
	})

	t.Run("PublishesToThePost", func(t *testing.T) {
		d := db.cleared(t)
		d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
		events := d.events(t, 0)
		var names []string
		for _, e := range events {
			names = append(names, e.Topic.String()+" "+e.Name.String())
		}
		streamtest.Want(t, "the log", names, []string{"post:42 new-comment", "post:42 comment-count"})
		streamtest.Want(t, "the count", events[1].Data.String(), `{"count":1,"postId":"42"}`)
	})

	t.Run("StoresTheAuthorOfTheToken", func(t *testing.T) {
		d := db.cleared(t)
		whole := store.User{ID: "ann", Name: "Anna", AvatarURL: new("/a.png")}
		for _, step := range []struct{ token, stored store.User }{
			{store.User{ID: "ann"}, store.User{ID: "ann", Name: "ann"}},
			{store.User{ID: "ann", Name: "Ann"}, store.User{ID: "ann", Name: "Ann"}},
			{whole, whole},
			{store.User{ID: "ann", Name: "Anna"}, whole}, // what a token does not have stays
			{store.User{ID: "ann"}, whole},
			{store.User{ID: "ann", Issued: time.Unix(100, 0)}, whole},
			{store.User{ID: "ann", Name: "Anne", Issued: time.Unix(50, 0)}, store.User{ID: "ann", Name: "Anne", AvatarURL: whole.AvatarURL}},
			{store.User{ID: "ann", Name: "Old", Issued: time.Unix(49, 0)}, store.User{ID: "ann", Name: "Anne", AvatarURL: whole.AvatarURL}},
			{store.User{ID: "ann", Name: "Undated"}, store.User{ID: "ann", Name: "Anne", AvatarURL: whole.AvatarURL}},
		} {
			made := d.comment(t, store.NewComment{PostID: "42", Author: step.token, Body: "Hello"})
			streamtest.Want(t, "the author of the answer", made.Author, step.stored)
			for _, c := range d.list(t, "42").Comments {
				streamtest.Want(t, "the author", c.Author, step.stored)
			}
		}
	})

	t.Run("DoesNotUpdateAnUnchangedAuthor", func(t *testing.T) {
		d := db.cleared(t)
		const version = `select ctid::text || xmax || updated_at from tidings.users where id = 'bob'`
		d.comment(t, store.NewComment{PostID: "42", Author: bob, Body: "Hello"})
		before := value[string](t, d, version)
		d.comment(t, store.NewComment{PostID: "42", Author: bob, Body: "Hello"})
		streamtest.Want(t, "the row", value[string](t, d, version), before)
	})

	t.Run("RefusesAReplyToNothing", func(t *testing.T) {
		d := db.cleared(t)
		other := d.comment(t, store.NewComment{PostID: "43", Author: ann, Body: "Hello"})
		deleted := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
		streamtest.Must(t, d.DeleteComment(t.Context(), deleted.ID, "ann", false, nil))
		pending := value[int64](t, d, `
			insert into tidings.comments (post_id, author_id, body, status)
			values ('42', 'ann', 'Hello', 'pending')
			returning id`)
		unknown := int64(1 << 40)
		before := d.head(t)
		for _, parent := range []int64{unknown, -1, 0, other.ID, deleted.ID, pending} {
			for _, key := range keyOrNone {
				_, err := d.CreateComment(t.Context(), store.NewComment{PostID: "42", ParentID: &parent, Author: bob, Body: "Hello", IdempotencyKey: key})
				streamtest.WantErr(t, err, store.ErrNoParent)
			}
		}
		streamtest.Want(t, "the head", d.head(t), before)
	})

	t.Run("RefusesAReplyToWhatGoesAwayMeanwhile", func(t *testing.T) {
		d := db.cleared(t)
		parent := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
		tx, err := d.sql.Begin(t.Context())
		streamtest.Must(t, err)
		_, err = tx.Exec(t.Context(), `delete from tidings.comments; insert into tidings.users (id, name) values ('bob', 'Rob')`)
		streamtest.Must(t, err)
		refused := make(chan error)
		go func() {
			_, err := d.CreateComment(t.Context(), store.NewComment{PostID: "42", ParentID: &parent.ID, Author: bob, Body: "Hello"})
			refused <- err
		}()
		d.waits(t, 1) // for bob, after the parent was seen
		streamtest.Must(t, tx.Commit(t.Context()))
		streamtest.WantErr(t, <-refused, store.ErrNoParent)
	})

	t.Run("RefusesALockedPost", func(t *testing.T) {
		d := db.cleared(t)
		_, _, err := d.PutPost(t.Context(), store.PostUpdate{ID: "42", Locked: store.To(true)})
		streamtest.Must(t, err)
		for _, key := range keyOrNone {
			_, err = d.CreateComment(t.Context(), store.NewComment{PostID: "42", Author: ann, Body: "Hello", IdempotencyKey: key})
			streamtest.WantErr(t, err, store.ErrPostLocked)
		}
	})

	t.Run("CreatesAnUnknownPostOnlyWhereItShould", func(t *testing.T) {
		d := db.cleared(t)
		strict := open(t, d.dsn, noAutoPosts)
		for i, key := range keyOrNone {
			c := store.NewComment{PostID: fmt.Sprint("post", i), Author: ann, Body: "Hello", IdempotencyKey: key}
			_, err := strict.CreateComment(t.Context(), c)
			streamtest.WantErr(t, err, store.ErrNotFound)
			other := c
			other.Author = bob
			_, err = d.CreateComment(t.Context(), other)
			streamtest.Must(t, err)
			_, err = strict.CreateComment(t.Context(), c)
			streamtest.Must(t, err)
		}
	})

	t.Run("BoundsWhatItIsGiven", func(t *testing.T) {
		d := db.cleared(t)
		try := func(post string, author store.User, body string) error {
			_, err := d.CreateComment(t.Context(), store.NewComment{PostID: post, Author: author, Body: body})
			return err
		}
		for _, body := range []string{"x", "  x  ", strings.Repeat("😀", store.MaxBodyRunes)} {
			streamtest.Must(t, try("42", ann, body))
		}
		for _, body := range []string{"", " \r\n\t", strings.Repeat("x", store.MaxBodyRunes+1)} {
			wantInvalid(t, try("42", ann, body), "comments_body_length")
		}
		for _, body := range []string{"a\x00b", "a\xffb", "\xed\xa0\x80"} {
			wantInvalid(t, try("42", ann, body), "")
		}
		wantInvalid(t, try("a b", ann, "Hello"), "posts_id_grammar")
		wantInvalid(t, try("42\n", ann, "Hello"), "posts_id_grammar")
		wantInvalid(t, try("42", user(".."), "Hello"), "users_id_grammar")
		wantInvalid(t, try("42", store.User{ID: "eve", Name: "\u200b"}, "Hello"), "users_name_length")
		wantInvalid(t, try("42", store.User{ID: "eve", Name: strings.Repeat("x", 201)}, "Hello"), "users_name_length")
		streamtest.Want(t, "the comments", len(d.list(t, "42").Comments), 3)
	})
}

func TestDeleteComment(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	t.Run("IsForTheAuthorAndModerators", func(t *testing.T) {
		d := db.cleared(t)
		first := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "First"})
		second := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Second"})
		streamtest.WantErr(t, d.DeleteComment(t.Context(), first.ID, "bob", false, nil), store.ErrNotAuthor)
		streamtest.WantErr(t, d.DeleteComment(t.Context(), first.ID, "", false, nil), store.ErrNotAuthor)
		streamtest.Want(t, "the comments", len(d.list(t, "42").Comments), 2)
		streamtest.Must(t, d.DeleteComment(t.Context(), first.ID, "ann", false, nil))
		streamtest.Must(t, d.DeleteComment(t.Context(), second.ID, "bob", true, nil))
		streamtest.Want(t, "the comments", len(d.list(t, "42").Comments), 0)
	})

	t.Run("DoesNotKnowWhatNeverWas", func(t *testing.T) {
		d := db.cleared(t)
		streamtest.WantErr(t, d.DeleteComment(t.Context(), 1<<40, "ann", true, nil), store.ErrNotFound)
	})

	t.Run("TellsOnceHoweverOftenItIsAsked", func(t *testing.T) {
		d := db.cleared(t)
		c := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello"})
		var calls sync.WaitGroup
		for range 8 {
			calls.Go(func() {
				if err := d.DeleteComment(t.Context(), c.ID, "ann", false, nil); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		events := d.events(t, 0)
		deleted := named(events, "comment-deleted")
		streamtest.Want(t, "the published deletions", len(deleted), 1)
		streamtest.Want(t, "the data of the deletion", deleted[0].Data.String(), fmt.Sprintf(`{"id":"%d","postId":"42","rootId":null,"thread":null,"parentId":null,"tombstone":null}`, c.ID))
		streamtest.Want(t, "the last count", lastCount(t, events), 0)
	})

	t.Run("LeavesATombstoneWhileThereAreReplies", func(t *testing.T) {
		d := db.cleared(t)
		root := d.comment(t, store.NewComment{PostID: "42", Author: bob, Body: "Hello"})
		reply := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "Hello Bob", ParentID: &root.ID})
		streamtest.Must(t, d.DeleteComment(t.Context(), root.ID, "bob", false, nil))
		list := d.list(t, "42")
		streamtest.Want(t, "the comments", len(list.Comments), 2)
		streamtest.Want(t, "the count", list.Post.Comments, 1)
		tombstone := list.Comments[1].Comment
		streamtest.Want(t, "the tombstone", tombstone, store.Comment{
			ID: root.ID, PostID: "42", Status: store.StatusDeleted, Replies: 1, ThreadCount: 1, CreatedAt: root.CreatedAt, Version: 1,
		})
		streamtest.Must(t, d.DeleteComment(t.Context(), reply.ID, "ann", false, nil))
		streamtest.Want(t, "the comments", len(d.list(t, "42").Comments), 0)
	})
}

// lastCount returns the last published count of comments.
func lastCount(t *testing.T, events []stream.Event) int64 {
	t.Helper()
	counts := named(events, "comment-count")
	if len(counts) == 0 {
		t.Fatal("no comment-count was published")
	}
	return decode[struct{ Count int64 }](t, counts[len(counts)-1]).Count
}
