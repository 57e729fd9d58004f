package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// The channels of NOTIFY. They are per database, like the schema.
const (
	logChannel    = "tidings_log"    // the log has grown: a doorbell, no payload
	signalChannel = "tidings_signal" // a Signal as JSON
	probeChannel  = "tidings_probe"  // an instance asks itself whether it hears
)

const (
	// quiet is how long the connection may be silent before it has to prove itself,
	// and then how long the proof may take.
	quiet = 4 * time.Second
	// goodbye is how long a connection that failed may take to close.
	goodbye = time.Second
	// probeEvery is how often Probe asks Postgres at most; between, the last answer
	// counts.
	probeEvery  = time.Second
	backoffMost = 5 * time.Second
	// settled is how long a connection must hold for its failures to be forgotten.
	settled = time.Minute
)

// errDeaf: the connection is there, and a notification did not come through it.
var errDeaf = errors.New("listen connection is deaf")

// A Listener hears what other sessions NOTIFY, over one dedicated connection.
type Listener struct {
	store  *Store
	hear   Hearer
	logger *slog.Logger

	mu      sync.Mutex       // guards what follows
	probes  map[string]probe // under way, by payload
	current error            // why it does not listen; nil when it does
	stats   ListenerStats
}

// A Hearer is told what a [Listener] hears. Its methods must not block.
type Hearer interface {
	// Wake: the log may have grown. Called after each (re)connect, too.
	Wake()
	// Signal: somebody sent one, see [Store.Signal].
	Signal(Signal)
}

// NewListener makes a listener that listens once it runs.
func (s *Store) NewListener(hear Hearer) *Listener {
	return &Listener{
		store:   s,
		hear:    hear,
		logger:  s.logger,
		probes:  make(map[string]probe),
		current: errors.New("listen: not connected yet"),
	}
}

// Run listens until ctx ends, then returns nil. A connection that fails or goes
// deaf is replaced, with a pause that grows with each failure in a row.
func (l *Listener) Run(ctx context.Context) error {
	for failures := 0; ; failures++ {
		start := time.Now()
		err := l.listen(ctx)
		l.note(err)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(start) > settled {
			failures = 0
		}
		pause := backoff(failures)
		l.logger.WarnContext(ctx, "listener lost", "err", err, "retry_in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// backoff doubles from 100 ms to 5 s, half of it random.
func backoff(failures int) time.Duration {
	most := min(100*time.Millisecond<<min(failures, 10), backoffMost)
	return most/2 + mathrand.N(most/2)
}

// listen connects and hears until the connection fails.
func (l *Listener) listen(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, l.store.listen)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		conn.Close(closing) //nolint:errcheck // it is lost already, or we are leaving
	}()
	subscribing, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	_, err = conn.Exec(subscribing, `set idle_session_timeout = 0; listen tidings_log; listen tidings_signal; listen tidings_probe`)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	l.note(nil)
	l.hear.Wake() // what was said meanwhile is in the log
	for {
		if err := l.next(ctx, conn); err != nil {
			return err
		}
	}
}

// next waits for one notification. When none comes for a while, the connection must
// prove that it still hears.
func (l *Listener) next(ctx context.Context, conn *pgx.Conn) error {
	err := l.await(ctx, conn)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	proving, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	payload, _ := l.begin()
	defer l.forget(payload)
	if err := notify(proving, l.store.log, probeChannel, payload); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	err = l.await(proving, conn)
	if errors.Is(err, context.DeadlineExceeded) {
		return errDeaf
	}
	return err
}

// await waits for a notification, no longer than quiet. A wait that is cut short
// leaves the connection usable.
func (l *Listener) await(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	n, err := conn.WaitForNotification(ctx)
	if err != nil {
		return err
	}
	switch n.Channel {
	case logChannel:
		l.hear.Wake()
	case probeChannel:
		l.probed(n.Payload)
	case signalChannel:
		signal, err := parseSignal(n.Payload)
		if err != nil {
			l.logger.WarnContext(ctx, "malformed signal ignored", "err", err)
			return nil
		}
		l.hear.Signal(signal)
	}
	return nil
}

func (l *Listener) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = err
	l.stats.note(err)
}

// A probe is a notification to ourselves.
type probe struct {
	asked time.Time
	heard chan struct{} // closed when it came back
}

func (l *Listener) begin() (payload string, p probe) {
	l.mu.Lock()
	defer l.mu.Unlock()
	payload, p = rand.Text(), probe{time.Now(), make(chan struct{})}
	l.probes[payload] = p
	return payload, p
}

func (l *Listener) forget(payload string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.probes, payload)
}

// probed takes note that a probe came back, if it is one of ours.
func (l *Listener) probed(payload string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, ours := l.probes[payload]; ours {
		close(p.heard)
		delete(l.probes, payload)
		l.stats.LastProof = time.Now()
		l.stats.RoundTrip = l.stats.LastProof.Sub(p.asked)
	}
}

// Probe proves that what is notified is heard, by a round trip through Postgres: at
// most once a second, in between the last proof counts. It returns why not.
func (l *Listener) Probe(ctx context.Context) error {
	if current, fresh := l.state(); current != nil || fresh {
		return current
	}
	payload, p := l.begin()
	defer l.forget(payload)
	if err := notify(ctx, l.store.log, probeChannel, payload); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	select {
	case <-p.heard:
		return nil
	case <-ctx.Done():
		return errDeaf
	}
}

// state is why it does not listen, if so, and whether it was proven just now that it does.
func (l *Listener) state() (current error, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current, time.Since(l.stats.LastProof) < probeEvery
}
