package store_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// likes is what the log says of post 42's likes, one count a change.
func likes(t *testing.T, d database) (counts []int64) {
	t.Helper()
	for _, e := range named(d.events(t, 0), "like-update") {
		counts = append(counts, decode[struct{ Count int64 }](t, e).Count)
	}
	return counts
}

func TestLike(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	t.Run("CanBeRepeated", func(t *testing.T) {
		d := db.cleared(t)
		for _, step := range []struct {
			like bool
			by   store.User
			want int64
		}{{true, ann, 1}, {true, ann, 1}, {true, bob, 2}, {false, ann, 1}, {false, ann, 1}, {false, user("cid"), 1}, {false, bob, 0}} {
			var got store.Likes
			var err error
			if step.like {
				got, err = d.Like(t.Context(), "42", step.by)
			} else {
				got, err = d.Unlike(t.Context(), "42", step.by.ID)
			}
			streamtest.Must(t, err)
			streamtest.Want(t, fmt.Sprintf("the likes after %+v", step), got, store.Likes{Count: step.want, Liked: step.like})
		}
	})

	t.Run("IsToldOnceAChange", func(t *testing.T) {
		d := db.cleared(t)
		for range 3 {
			_, err := d.Like(t.Context(), "42", ann)
			streamtest.Must(t, err)
		}
		for range 3 {
			_, err := d.Unlike(t.Context(), "42", "ann")
			streamtest.Must(t, err)
		}
		streamtest.Want(t, "the published counts", likes(t, d), []int64{1, 0})
	})

	t.Run("CountsOnceAUserHoweverManyCallsRace", func(t *testing.T) {
		d := db.cleared(t)
		var calls sync.WaitGroup
		for i := range 32 {
			calls.Go(func() {
				got, err := d.Like(t.Context(), "42", store.User{ID: "ann", Name: fmt.Sprint("Ann ", i%3)})
				if want := (store.Likes{Count: 1, Liked: true}); err != nil || got != want {
					t.Errorf("got %+v, %v; want %+v", got, err, want)
				}
			})
		}
		calls.Wait()
		streamtest.Want(t, "the published counts", likes(t, d), []int64{1})
	})

	t.Run("CountsRightWhenLikesAndUnlikesRace", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t, noGroups)
		var calls sync.WaitGroup
		for i := range 32 {
			calls.Go(func() {
				for n := range 4 {
					by := fmt.Sprint("user", (i+n)%11)
					_, err := d.Like(t.Context(), "42", user(by))
					if i%2 == 0 && err == nil {
						_, err = d.Unlike(t.Context(), "42", by)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		calls.Wait()
		actual := value[int64](t, d, `select count(*) from tidings.likes where post_id = '42'`)
		published := likes(t, d)
		streamtest.Want(t, "the last published count", published[len(published)-1], actual)
		counts, err := d.Counts(t.Context(), []string{"42"})
		streamtest.Must(t, err)
		streamtest.Want(t, "the count", counts["42"].Likes, actual)
		before := int64(0)
		for _, count := range published {
			if count != before+1 && count != before-1 {
				t.Fatalf("the published counts jump: %v", published)
			}
			before = count
		}
	})

	t.Run("CreatesAnUnknownPostOnlyWhereItShould", func(t *testing.T) {
		d := db.cleared(t)
		strict := open(t, d.dsn, noAutoPosts)
		_, err := strict.Like(t.Context(), "42", ann)
		streamtest.WantErr(t, err, store.ErrNotFound)
		_, err = d.Like(t.Context(), "42", ann)
		streamtest.Must(t, err)
		_, err = strict.Like(t.Context(), "42", ann)
		streamtest.Must(t, err)
	})

	t.Run("NotesWhoLikes", func(t *testing.T) {
		d := db.cleared(t)
		_, err := d.Like(t.Context(), "42", bob)
		streamtest.Must(t, err)
		streamtest.Want(t, "the name", value[string](t, d, `select name from tidings.users where id = 'bob'`), "Bob")
	})

	t.Run("RefusesWhatIsNoID", func(t *testing.T) {
		d := db.cleared(t)
		_, err := d.Like(t.Context(), "a b", ann)
		wantInvalid(t, err, "posts_id_grammar")
		_, err = d.Like(t.Context(), "42", user("a b"))
		wantInvalid(t, err, "users_id_grammar")
	})

	t.Run("OfAnUnknownPostIsNoneToTakeBack", func(t *testing.T) {
		d := db.cleared(t)
		got, err := d.Unlike(t.Context(), "nobody", "ann")
		streamtest.Must(t, err)
		streamtest.Want(t, "the likes", got, store.Likes{})
		streamtest.Want(t, "the posts", value[int](t, d, `select count(*) from tidings.posts`), 0)
	})
}

func TestLikeComment(t *testing.T) {
	t.Parallel()
	for name, groups := range map[string]func(*store.Config){"InGroups": func(*store.Config) {}, "Alone": noGroups} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t, groups)
			one := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "one"})
			reply := d.comment(t, store.NewComment{PostID: "42", ParentID: &one.ID, Author: ann, Body: "two"})
			write := func(like bool, id int64, by store.User) (store.Likes, error) {
				if like {
					return d.LikeComment(t.Context(), id, by)
				}
				return d.UnlikeComment(t.Context(), id, by.ID)
			}
			for _, step := range []struct {
				like bool
				by   store.User
				want int64
			}{{true, ann, 1}, {true, ann, 1}, {true, bob, 2}, {false, ann, 1}, {false, ann, 1}, {false, user("cid"), 1}} {
				got, err := write(step.like, one.ID, step.by)
				streamtest.Must(t, err)
				streamtest.Want(t, fmt.Sprintf("the likes after %+v", step), got, store.Likes{Count: step.want, Liked: step.like})
			}
			streamtest.Want(t, "the published counts", likes(t, d), []int64{1, 2, 1})
			streamtest.Want(t, "the notifications of bob's own likes", value[int](t, d, `select count(*) from tidings.notifications where user_id = 'bob'`), 0)

			for _, status := range []string{"pending", "rejected", "spam", "deleted"} { // a tombstone, because of the reply
				d.exec(t, `update tidings.comments set status = $2 where id = $1`, one.ID, status)
				before := d.head(t)
				for _, like := range []bool{true, false} {
					_, err := write(like, one.ID, bob)
					streamtest.WantErr(t, err, store.ErrNotFound)
				}
				streamtest.Want(t, "the head of the log after a refused write", d.head(t), before)
			}
			for _, id := range []int64{reply.ID + 1000, 1 << 62} {
				for _, like := range []bool{true, false} {
					_, err := write(like, id, user("new"))
					streamtest.WantErr(t, err, store.ErrNotFound)
				}
			}
			streamtest.Want(t, "the likes", value[int](t, d, `select count(*) from tidings.likes`), 1)

			d.exec(t, `update tidings.comments set status = 'published', body = 'again' where id = $1`, one.ID)
			list, err := d.Comments(t.Context(), store.ListQuery{PostID: "42", Viewer: "bob", Limit: 10})
			streamtest.Must(t, err)
			streamtest.Want(t, "likes of the comment that was hidden", list.Comments[0].Likes, 1)
			streamtest.Want(t, "liked", list.Comments[0].Liked, true)
		})
	}
}

// A like of a comment that cannot be liked does not fail the likes in the same group, and a user's
// writes to several targets do not supersede each other.
func TestLikeComment_TogetherWithOthers(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	one := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "one"})
	two := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "two"})
	hidden := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "hidden"})
	d.exec(t, `update tidings.comments set status = 'spam' where id = $1`, hidden.ID)
	var calls sync.WaitGroup
	for i := range 40 {
		by := user(fmt.Sprint("u", i))
		calls.Go(func() {
			if _, err := d.Like(t.Context(), "42", by); err != nil {
				t.Error(err)
			}
		})
		for _, id := range []int64{one.ID, two.ID} {
			calls.Go(func() {
				if got, err := d.LikeComment(t.Context(), id, by); err != nil || !got.Liked {
					t.Errorf("got %+v, %v", got, err)
				}
			})
		}
		calls.Go(func() {
			_, err := d.LikeComment(t.Context(), hidden.ID, by)
			streamtest.WantErr(t, err, store.ErrNotFound)
		})
	}
	calls.Wait()
	streamtest.Want(t, "the likes", value[[]int64](t, d, `
		select array_agg(n order by n)
		from (select count(*) as n from tidings.likes group by comment_id) as target`), []int64{40, 40, 40})
	streamtest.Want(t, "the counts of comments", value[[]int64](t, d, `
		select array[
			(select likes from tidings.counts where target = 'comment:' || $1::bigint order by position desc limit 1),
			(select likes from tidings.counts where target = 'comment:' || $2::bigint order by position desc limit 1)
		]`, one.ID, two.ID), []int64{40, 40})
}

// A comment that is deleted while a like of it waits is not found.
func TestLikeComment_DeletedMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	one := d.comment(t, store.NewComment{PostID: "42", Author: ann, Body: "one"})
	deleting, err := d.sql.Begin(t.Context())
	streamtest.Must(t, err)
	_, err = deleting.Exec(t.Context(), `delete from tidings.comments where id = $1`, one.ID)
	streamtest.Must(t, err)
	var calls sync.WaitGroup
	calls.Go(func() {
		_, err := d.LikeComment(t.Context(), one.ID, bob)
		streamtest.WantErr(t, err, store.ErrNotFound)
	})
	d.waits(t, 1)
	_, err = d.Like(t.Context(), "43", bob) // is not delayed for long
	streamtest.Must(t, err)
	streamtest.Must(t, deleting.Commit(t.Context()))
	calls.Wait()
	streamtest.Want(t, "the likes", value[int](t, d, `select count(*) from tidings.likes where comment_id is not null`), 0)
}
