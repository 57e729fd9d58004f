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

	t.Run("CanBeRepeated", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
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
		t.Parallel()
		d := newDatabase(t)
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
		t.Parallel()
		d := newDatabase(t)
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
		t.Parallel()
		d := newDatabase(t)
		strict := open(t, d.dsn, noAutoPosts)
		_, err := strict.Like(t.Context(), "42", ann)
		streamtest.WantErr(t, err, store.ErrNotFound)
		_, err = d.Like(t.Context(), "42", ann)
		streamtest.Must(t, err)
		_, err = strict.Like(t.Context(), "42", ann)
		streamtest.Must(t, err)
	})

	t.Run("NotesWhoLikes", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		_, err := d.Like(t.Context(), "42", bob)
		streamtest.Must(t, err)
		streamtest.Want(t, "the name", value[string](t, d, `select name from tidings.users where id = 'bob'`), "Bob")
	})

	t.Run("RefusesWhatIsNoID", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		_, err := d.Like(t.Context(), "a b", ann)
		wantInvalid(t, err, "posts_id_grammar")
		_, err = d.Like(t.Context(), "42", user("a b"))
		wantInvalid(t, err, "users_id_grammar")
	})

	t.Run("OfAnUnknownPostIsNoneToTakeBack", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		got, err := d.Unlike(t.Context(), "nobody", "ann")
		streamtest.Must(t, err)
		streamtest.Want(t, "the likes", got, store.Likes{})
		streamtest.Want(t, "the posts", value[int](t, d, `select count(*) from tidings.posts`), 0)
	})
}
