package store

import (
	"testing"
	"time"

	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// Signals are received again after the clock of the database has jumped, and after its key was
// replaced.
func TestSignalReceiver_ReadsClockAndKeyAgain(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: storetest.Database(t)})
	streamtest.Must(t, err)
	t.Cleanup(s.Close)
	for name, change := range map[string]func(*signalGate){
		"ClockSetBack":    func(g *signalGate) { g.clock = g.clock.Add(time.Hour) },
		"ClockSetForward": func(g *signalGate) { g.clock = g.clock.Add(-time.Hour) },
		"OtherKey":        func(g *signalGate) { g.key = []byte("the key before") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newSignalReceiver(s, ListenerConfig{})
			sign := func() (payload string) {
				streamtest.Must(t, s.pool.QueryRow(t.Context(), `select tidings.signed('{}')`).Scan(&payload))
				return payload
			}
			_, err := r.admit(t.Context(), sign())
			streamtest.Must(t, err)
			change(&r.gate)
			long := time.Now().Add(-2 * signalAge) // ago were the last reads
			r.gate.clock = r.gate.clock.Add(-2 * signalAge)
			r.gate.readAt, r.keyRead = long, long
			body, err := r.admit(t.Context(), sign())
			streamtest.Must(t, err)
			streamtest.Want(t, "the body", body, "{}")
		})
	}
}
