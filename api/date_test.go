package api

import (
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestDateField_FollowsTheClock(t *testing.T) {
	t.Parallel()
	var d dateField
	at := time.Date(2026, 11, 28, 23, 59, 59, 0, time.FixedZone("east", 3600))
	for _, c := range []struct {
		after time.Duration
		want  string
	}{
		{0, "Sat, 28 Nov 2026 22:59:59 GMT"},
		{999 * time.Millisecond, "Sat, 28 Nov 2026 22:59:59 GMT"},
		{time.Second, "Sat, 28 Nov 2026 23:00:00 GMT"},
		{-time.Hour, "Sat, 28 Nov 2026 21:59:59 GMT"}, // the clock was set back
	} {
		streamtest.Want(t, "the text", d.text(at.Add(c.after)), c.want)
	}
}
