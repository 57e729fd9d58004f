package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestQuarantine(t *testing.T) {
	t.Parallel()

	begin := time.Now()

	t.Run("EndsAfterAWhile", func(t *testing.T) {
		t.Parallel()
		q := make(quarantine)
		q.add("bad", begin)
		for _, c := range []struct {
			source string
			after  time.Duration
			want   bool
		}{{"good", 0, false}, {"bad", 0, true}, {"bad", quarantineTime - 1, true}, {"bad", quarantineTime, false}} {
			if got := q.has(c.source, begin.Add(c.after)); got != c.want {
				t.Errorf("%s is in quarantine after %v: %v, want %v", c.source, c.after, got, c.want)
			}
		}
	})

	t.Run("IsProlonged", func(t *testing.T) {
		t.Parallel()
		q := make(quarantine)
		q.add("bad", begin)
		q.add("bad", begin.Add(quarantineTime/2))
		streamtest.Want(t, "bad is in quarantine", q.has("bad", begin.Add(quarantineTime)), true)
	})

	t.Run("IsBounded", func(t *testing.T) {
		t.Parallel()
		q := make(quarantine)
		for i := range quarantineMost + 10 {
			q.add(fmt.Sprint(i), begin)
		}
		streamtest.Want(t, "the sources", len(q), quarantineMost)
		q.add("late", begin.Add(quarantineTime))
		streamtest.Want(t, "the sources once all others have expired", len(q), 1)
	})
}
