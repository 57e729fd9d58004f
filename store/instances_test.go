package store_test

import (
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Instances are those that listen to the database now, and each knows which one it is.
func TestInstances(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	pids := func() (all []uint32) {
		t.Helper()
		instances, err := d.Instances(t.Context())
		streamtest.Must(t, err)
		for _, i := range instances {
			all = append(all, i.PID)
			streamtest.Want(t, "the time of the connect is known", i.Since.IsZero(), false)
		}
		return all
	}
	streamtest.Want(t, "instances at first", pids(), []uint32(nil))
	first, _ := listen(t, d.Store)
	second, got := listen(t, d.Store)
	streamtest.Want(t, "instances", pids(), []uint32{first.Stats().PID, second.Stats().PID})

	before := second.Stats().PID
	wakes := got.wakes.Load()
	d.exec(t, `select pg_terminate_backend($1)`, before)
	got.waitForWake(t, wakes)
	streamtest.Eventually(t, "the instance has another session", func() bool {
		return second.Stats().PID != 0 && second.Stats().PID != before
	})
	streamtest.Eventually(t, "the session that ended is gone", func() bool { return len(pids()) == 2 })
}
