package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/faults"
)

const (
	// mostPayloads bounds the signals that wait for the check of their MAC. Others are lost.
	mostPayloads = 1000
	// readSignalsEvery is the least time between two reads of tidings.signals, so that any
	// role can cause only so many by NOTIFY.
	readSignalsEvery = 20 * time.Millisecond
	// readSignalsAgain is the pause after a read that failed.
	readSignalsAgain = time.Second
)

// A signalReceiver receives the signals of a [Listener] in two goroutines: from payloads with a
// MAC, and from the table tidings.signals. So the listener itself, which is the doorbell of the
// log, needs no table and waits for no lock, and forged signals cost it no time.
type signalReceiver struct {
	store  *Store
	on     ListenerConfig
	faults *faults.Work // reading the table and the key
	logger *slog.Logger

	gate     signalGate  // used by receivePayloads only
	keyRead  time.Time   // last attempt; used by receivePayloads only
	payloads chan string // of the channel tidings_signal

	began bool          // start has got its value; used by connected only
	start chan string   // the snapshot before the first row to receive
	rung  chan struct{} // holds a token when the table may have new rows
}

func newSignalReceiver(s *Store, on ListenerConfig) *signalReceiver {
	return &signalReceiver{
		store: s, on: on, logger: s.logger,
		faults:   faults.New(s.logger, "signals cannot be read", "signals can be read again"),
		payloads: make(chan string, mostPayloads), start: make(chan string, 1), rung: make(chan struct{}, 1),
	}
}

// run receives until ctx ends.
func (r *signalReceiver) run(ctx context.Context) {
	var receiving sync.WaitGroup
	receiving.Go(func() { r.receivePayloads(ctx) })
	receiving.Go(func() { r.readTable(ctx) })
	receiving.Wait()
}

// connected is called after each connect of the listener. After the first one, it makes the
// receiver begin with the rows that are not visible yet. After the next ones, the receiver
// reads the rows that have come since its last read.
func (r *signalReceiver) connected(ctx context.Context, conn *pgx.Conn) error {
	if !r.began {
		var snapshot string
		if err := conn.QueryRow(ctx, `select pg_current_snapshot()::text`).Scan(&snapshot); err != nil {
			return fmt.Errorf("read the snapshot: %w", err)
		}
		r.start <- snapshot
		r.began = true
	}
	r.ring()
	return nil
}

// ring tells that the table may have new rows.
func (r *signalReceiver) ring() {
	select {
	case r.rung <- struct{}{}:
	default: // a token is already there
	}
}

// queue queues a payload, unless too many wait.
func (r *signalReceiver) queue(payload string) {
	select {
	case r.payloads <- payload:
	default:
	}
}

// receivePayloads passes on the signals that are genuine. Any role can send one that is not,
// any number of times, so a report is logged once in signalAge.
func (r *signalReceiver) receivePayloads(ctx context.Context) {
	var reported time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case payload := <-r.payloads:
			body, err := r.admit(ctx, payload)
			if err == nil {
				err = r.passOn(body)
			}
			if err != nil && time.Since(reported) > signalAge {
				reported = time.Now()
				r.logger.WarnContext(ctx, "signal ignored that is not genuine", "err", err)
			}
		}
	}
}

// admit returns the body of a payload that is genuine. If a MAC is wrong, or a time, it reads the
// key and the clock again if that was signalAge ago: the key is another one after the schema was
// created again, and the clock of the database may have jumped, as in a failover.
func (r *signalReceiver) admit(ctx context.Context, payload string) (string, error) {
	body, err := r.gate.admit(payload)
	if !errors.Is(err, errSignalForged) && !errors.Is(err, errSignalOld) || time.Since(r.gate.readAt) < signalAge || time.Since(r.keyRead) < readSignalsAgain {
		return body, err
	}
	gate := r.gate
	err = r.store.read(ctx, rowQuery([]any{&gate.key, &gate.clock}, `
		select key, clock_timestamp()
		from tidings.signal_key
		where one`))
	r.keyRead = time.Now()
	if ctx.Err() == nil {
		r.faults.Note(ctx, err)
	}
	if err != nil {
		return "", err
	}
	gate.readAt = r.keyRead
	r.gate = gate
	return r.gate.admit(payload)
}

// passOn passes the signal with the body on.
func (r *signalReceiver) passOn(body string) error {
	e, ok, err := parseSignalEvent(body)
	if err != nil {
		return err
	}
	if ok {
		r.on.Event(e)
		return nil
	}
	signal, err := parseSignal(body)
	if err == nil {
		r.on.Signal(signal)
	}
	return err
}

// readTable passes on the signals in the table after each ring.
func (r *signalReceiver) readTable(ctx context.Context) {
	var seen string // the snapshot of the last read, as pg_snapshot
	select {
	case <-ctx.Done():
		return
	case seen = <-r.start:
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.rung:
		}
		events, snapshot, err := r.store.readSignals(ctx, seen)
		for _, e := range events {
			r.on.Event(e)
		}
		wait := readSignalsEvery
		if err == nil {
			seen = snapshot
		} else {
			wait = readSignalsAgain
			r.ring()
		}
		if ctx.Err() == nil {
			r.faults.Note(ctx, err)
		}
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// readSignals returns the signals that are not older than signalAge and are not visible in
// the snapshot seen: rows do not become visible in any order. It also returns the snapshot of
// this read. A row that no reader can be given is left out.
func (s *Store) readSignals(ctx context.Context, seen string) (events []stream.Event, snapshot string, err error) {
	err = s.read(ctx, readQuery{`
		select pg_current_snapshot()::text, topic, name, data
		from (select) as one_row
		left join tidings.signals
			on changed >= pg_snapshot_xmin($1::text::pg_snapshot)
			and not pg_visible_in_snapshot(changed, $1::text::pg_snapshot)
			and created_at > clock_timestamp() - $2::interval
		order by created_at`, []any{seen, signalAge}, func(rows pgx.Rows) error {
		var topic, name *string // nil: no row of the table
		var data []byte
		events = nil
		_, err := pgx.ForEachRow(rows, []any{&snapshot, &topic, &name, &data}, func() error {
			if topic == nil {
				return nil
			}
			if e, err := (signalEventJSON{*topic, *name, data}).event(); err == nil {
				events = append(events, e)
			}
			return nil
		})
		return err
	}})
	return events, snapshot, err
}
