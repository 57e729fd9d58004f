package limit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestParseWrites(t *testing.T) {
	t.Parallel()
	got, err := ParseWrites("comments=10/5, likes=0.5/20")
	streamtest.Must(t, err)
	streamtest.Want(t, "rates", got, Writes{Comments: PerMinute(10, 5), Likes: PerMinute(0.5, 20)})
	for _, text := range []string{
		"", "on,off", "comments", "comments=", "comments=10", "comments=10/0", "comments=0/5", "comments=-1/5",
		"comments=NaN/5", "comments=Inf/5", "comments=10/5/2", "replies=10/5", "comments=10/5,", "Comments=10/5",
	} {
		if got, err := ParseWrites(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestWrite_RefusesUntilThereIsATokenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, Config{})
		take := func(kind Refusal, user string) time.Duration {
			_, wait := l.Write(kind, user)
			return wait.Round(time.Millisecond)
		}
		for range 5 {
			streamtest.Want(t, "wait within the burst", take(Comments, "ann"), 0)
		}
		streamtest.Want(t, "wait after the burst", take(Comments, "ann"), 6*time.Second)
		streamtest.Want(t, "wait of another user", take(Comments, "bob"), 0)
		streamtest.Want(t, "wait for a like", take(Likes, "ann"), 0)
		<-time.After(2 * time.Second) // of the bubble's clock
		streamtest.Want(t, "wait after two seconds", take(Comments, "ann"), 4*time.Second)
		<-time.After(4*time.Second + time.Millisecond)
		charge, wait := l.Write(Comments, "ann")
		streamtest.Want(t, "wait when it is over", wait, 0)
		charge.Refund()
		streamtest.Want(t, "wait after a refund", take(Comments, "ann"), 0)
	})
}

func TestWrite_IsFreeWithoutRates(t *testing.T) {
	t.Parallel()
	l := limiter(t, Config{NoRates: true})
	for range 1000 {
		charge, wait := l.Write(Comments, "ann")
		streamtest.Want(t, "wait", wait, 0)
		charge.Refund()
	}
}
