package store

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
	"github.com/tidings-live/tidings/stream/faults"
)

// The channels of NOTIFY. They are per database, like the schema.
const (
	logChannel    = "tidings_log"      // the log has grown; the payload is empty
	signalChannel = "tidings_signal"   // a Signal or an ephemeral event, with a MAC
	tableChannel  = "tidings_signals"  // tidings.signals has new rows; the payload is empty
	boardChannel  = "tidings_presence" // tidings.presence has changed; the payload is empty
	probeChannel  = "tidings_probe"    // a listener's notification to itself
)

const (
	// silenceLimit is how long the connection may bring nothing before the listener
	// probes it, and also how long that probe may take.
	silenceLimit = 4 * time.Second
	// closeTimeout bounds the closing of a connection that failed.
	closeTimeout = time.Second
	// backoffMost bounds the pause between two attempts to connect.
	backoffMost = 5 * time.Second
	// stableAfter is how long a connection must last to reset the number of failures in a
	// row to zero.
	stableAfter = time.Minute
)

// errDeaf says that the connection is open, but a notification that was sent to it did
// not arrive. The cause can be a pooler that does not support LISTEN, or a network that
// drops packets.
var errDeaf = errors.New("the LISTEN connection receives no notifications")

// ListenerConfig sets a [Listener]. [Listener.Run] calls the functions, Signal and Event from
// several goroutines, the others one call at a time. They must not block. A nil function is not
// called.
type ListenerConfig struct {
	// Wake is called when the log may have grown, and after each connect, because
	// notifications between two connections are lost.
	Wake func()
	// Connected is called after each connect, before Wake. What other instances have told
	// between two connections is lost.
	Connected func()
	// Signal is called with each signal that [Store.Signal] sent, on any instance.
	Signal func(Signal)
	// Event is called with each ephemeral event that [Store.SignalEvent] or the SQL function
	// tidings.signal sent.
	Event func(stream.Event)
	// Lease is called after each connect with the session that listens, before Presence.
	Lease func(awareness.Lease)
	// Presence is called when an instance has written to the table tidings.presence.
	Presence func()
}

// A Listener receives the notifications of all sessions of the database, over one
// dedicated connection. It is safe for concurrent use.
type Listener struct {
	store   *Store
	on      ListenerConfig
	signals *signalReceiver
	faults  *faults.Work

	leaseKey int64 // see takeLease; used by Run only

	mu     sync.Mutex       // guards probes, err and stats
	probes map[string]probe // probes that have not arrived yet, by payload
	err    error            // why it does not listen; nil while it does
	stats  ListenerStats
}

// NewListener returns a listener that connects when [Listener.Run] is called.
func (s *Store) NewListener(cfg ListenerConfig) *Listener {
	l := &Listener{
		store:    s,
		on:       cfg,
		faults:   faults.New(s.logger, "listener lost", "listener is connected again"),
		leaseKey: mathrand.Int64(),

		probes: make(map[string]probe),
		err:    errors.New("listen: not connected yet"),
	}
	if cfg.Wake == nil {
		l.on.Wake = func() {}
	}
	if cfg.Connected == nil {
		l.on.Connected = func() {}
	}
	if cfg.Signal == nil {
		l.on.Signal = func(Signal) {}
	}
	if cfg.Event == nil {
		l.on.Event = func(stream.Event) {}
	}
	l.signals = newSignalReceiver(s, l.on)
	return l
}

// Run listens until ctx ends, then returns nil. If a connection fails, or receives nothing
// any more, Run makes another one after a pause, which grows with each failure in a row.
func (l *Listener) Run(ctx context.Context) error {
	var receiving sync.WaitGroup
	defer receiving.Wait()
	receiving.Go(func() { l.signals.run(ctx) })
	for failures := 0; ; failures++ {
		start := time.Now()
		err := translate(l.listen(ctx))
		l.setErr(err)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(start) > stableAfter {
			failures = 0
		}
		pause := backoff(failures)
		l.faults.Note(ctx, err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// backoff returns the pause after a number of failures in a row. It doubles from 100 ms to
// backoffMost. One half of it is random, so that instances do not return together.
func backoff(failures int) time.Duration {
	most := min(100*time.Millisecond<<min(failures, 10), backoffMost)
	return most/2 + mathrand.N(most/2)
}

// listen connects and receives until the connection fails, and returns the cause.
func (l *Listener) listen(ctx context.Context) error {
	conn, err := l.store.connectListener(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = conn.Close(closing) // the connection has failed already, or Run ends
	}()
	subscribing, cancel := context.WithTimeout(ctx, silenceLimit)
	defer cancel()
	if err := l.subscribe(subscribing, conn); err != nil {
		return err
	}
	l.setErr(nil)
	l.setPID(conn.PgConn().PID())
	defer l.setPID(0)
	l.faults.Note(ctx, nil)
	l.on.Connected()
	l.on.Wake()
	for {
		if err := l.receiveOrProbe(ctx, conn); err != nil {
			return err
		}
	}
}

// subscribe listens on the channels that the configuration needs.
func (l *Listener) subscribe(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `listen tidings_log; listen tidings_signal; listen tidings_signals; listen tidings_probe`)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := l.signals.connected(ctx, conn); err != nil || l.on.Lease == nil {
		return err
	}
	lease, err := takeLease(ctx, conn, &l.leaseKey)
	if err != nil {
		return err
	}
	l.on.Lease(lease)
	return nil
}

// receiveOrProbe waits for one notification. If none arrives within silenceLimit, it sends
// one over another connection, and returns errDeaf if that does not arrive either.
func (l *Listener) receiveOrProbe(ctx context.Context, conn *pgx.Conn) error {
	err := l.receive(ctx, conn)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	probing, cancel := context.WithTimeout(ctx, silenceLimit)
	defer cancel()
	payload, _ := l.beginProbe()
	defer l.endProbe(payload)
	if err := l.store.notify(probing, probeChannel, payload); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	err = l.receive(probing, conn)
	if errors.Is(err, context.DeadlineExceeded) {
		return errDeaf
	}
	return err
}

// receive waits up to silenceLimit for one notification and passes it on. After
// context.DeadlineExceeded the connection can still be used.
func (l *Listener) receive(ctx context.Context, conn *pgx.Conn) error {
	waiting, cancel := context.WithTimeout(ctx, silenceLimit)
	defer cancel()
	n, err := conn.WaitForNotification(waiting)
	if err != nil {
		return err
	}
	switch n.Channel {
	case logChannel:
		l.on.Wake()
	case probeChannel:
		l.probeReceived(n.Payload)
	case signalChannel:
		l.signals.queue(n.Payload)
	case tableChannel:
		l.signals.ring()
	case boardChannel:
		l.on.Presence()
	}
	return nil
}

func (l *Listener) setPID(pid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.PID = pid
}

// setErr stores the reason why the listener does not listen; nil means that it listens.
func (l *Listener) setErr(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	l.stats.note(err)
}
