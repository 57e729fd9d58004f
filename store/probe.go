package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// probeEvery is the least time between two probes that [Listener.Probe] sends.
const probeEvery = time.Second

// A probe is a notification that a listener has sent to itself.
type probe struct {
	sent     time.Time
	received chan struct{} // closed when the notification has arrived
}

// Probe checks that notifications arrive, with a round trip through Postgres. It returns nil
// without a check if one has succeeded within the last second. It returns an error if the
// listener is not connected, if the notification cannot be sent, or if nothing arrives
// before ctx ends.
func (l *Listener) Probe(ctx context.Context) error {
	if err, fresh := l.state(); err != nil || fresh {
		return err
	}
	payload, p := l.beginProbe()
	defer l.endProbe(payload)
	if err := l.store.notify(ctx, probeChannel, payload); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	select {
	case <-p.received:
		return nil
	case <-ctx.Done():
		return errDeaf
	}
}

// state returns the reason why the listener does not listen, and whether a probe has arrived
// within probeEvery.
func (l *Listener) state() (err error, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err, time.Since(l.stats.LastProof) < probeEvery
}

func (l *Listener) beginProbe() (payload string, p probe) {
	l.mu.Lock()
	defer l.mu.Unlock()
	payload, p = rand.Text(), probe{time.Now(), make(chan struct{})}
	l.probes[payload] = p
	return payload, p
}

func (l *Listener) endProbe(payload string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.probes, payload)
}

// probeReceived completes the probe with this payload. It ignores the probes of other
// instances.
func (l *Listener) probeReceived(payload string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, ours := l.probes[payload]; ours {
		close(p.received)
		delete(l.probes, payload)
		l.stats.LastProof = time.Now()
		l.stats.RoundTrip = l.stats.LastProof.Sub(p.sent)
	}
}
