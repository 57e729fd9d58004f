package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/session"
)

// Floor is the time that Postgres alone takes, over an open connection. A server that
// commits before it answers cannot be faster.
type Floor struct {
	Insert       Summary `json:"insert"`          // INSERT of one row, until it is committed
	Notify       Summary `json:"notify"`          // NOTIFY, until a listener has received it
	InsertNotify Summary `json:"insertAndNotify"` // both in one commit, until a listener has received it
}

// A floorMeter measures the Floor in the database of a server that runs. The methods of a
// nil *floorMeter do nothing.
type floorMeter struct {
	now      func() time.Duration
	conn     *pgx.Conn
	listener *pgx.Conn
	name     string             // of the scratch table and of the channel
	received chan time.Duration // when each notification arrived; closed with listener
	cancel   context.CancelFunc

	insert, notify, both []time.Duration
}

// openFloor makes the scratch table and starts to listen. It returns nil if the database
// is not known.
func (t *target) openFloor(ctx context.Context) (_ *floorMeter, err error) {
	if t.dsn == "" {
		return nil, nil
	}
	m := &floorMeter{now: t.now, name: "tidings_bench_" + t.run, received: make(chan time.Duration, 1)}
	listening, cancel := context.WithCancel(ctx)
	m.cancel = cancel
	defer func() {
		if err != nil {
			err = fmt.Errorf("measure the floor: %w", err)
		}
	}()
	if m.conn, err = session.Connect(ctx, t.dsn); err != nil {
		cancel()
		return nil, err
	}
	if m.listener, err = session.Connect(ctx, t.dsn); err != nil {
		cancel()
		return nil, errors.Join(err, m.conn.Close(ctx))
	}
	_, err = m.conn.Exec(ctx, `create table `+m.name+` (id bigint generated always as identity primary key, body text not null)`)
	if err == nil {
		_, err = m.listener.Exec(ctx, `listen `+m.name)
	}
	go m.listen(listening)
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// listen sends the arrival time of each notification to m.received.
func (m *floorMeter) listen(ctx context.Context) {
	defer close(m.received)
	for {
		if _, err := m.listener.WaitForNotification(ctx); err != nil {
			return
		}
		m.received <- m.now()
	}
}

// close drops the scratch table.
func (m *floorMeter) close() {
	if m == nil {
		return
	}
	m.cancel()
	for range m.received { // until listen has returned
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = m.listener.Close(ctx)
	_ = m.conn.Close(ctx) // not used below: pgx closes a connection whose statement was cancelled
	conn, err := pgx.ConnectConfig(ctx, m.conn.Config())
	if err != nil {
		return // without the database there is no table to drop
	}
	_, _ = conn.Exec(ctx, `drop table if exists `+m.name)
	_ = conn.Close(ctx)
}

// sample measures each of the three statements once.
func (m *floorMeter) sample(ctx context.Context) error {
	if m == nil {
		return nil
	}
	body := strings.Repeat("x", 40)
	// The cheapest statement is first: the server may still be working after its response.
	took, err := m.timeNotify(ctx, `select pg_notify('`+m.name+`', '')`)
	if err != nil {
		return fmt.Errorf("measure NOTIFY: %w", err)
	}
	m.notify = append(m.notify, took)

	begin := m.now()
	if _, err := m.conn.Exec(ctx, `insert into `+m.name+` (body) values ($1)`, body); err != nil {
		return fmt.Errorf("measure INSERT: %w", err)
	}
	m.insert = append(m.insert, m.now()-begin)

	took, err = m.timeNotify(ctx, `
		with row as (insert into `+m.name+` (body) values ($1) returning 1)
		select pg_notify('`+m.name+`', '') from row`, body)
	if err != nil {
		return fmt.Errorf("measure INSERT and NOTIFY: %w", err)
	}
	m.both = append(m.both, took)
	return nil
}

// timeNotify runs a statement that notifies, and returns the time until the listener has
// received the notification.
func (m *floorMeter) timeNotify(ctx context.Context, sql string, args ...any) (time.Duration, error) {
	begin := m.now()
	if _, err := m.conn.Exec(ctx, sql, args...); err != nil {
		return 0, err
	}
	select {
	case at, ok := <-m.received:
		if !ok {
			return 0, errors.New("the listener's connection ended")
		}
		return at - begin, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// summary returns the figures, or nil if the database is not known.
func (m *floorMeter) summary() *Floor {
	if m == nil {
		return nil
	}
	return &Floor{summarize(m.insert), summarize(m.notify), summarize(m.both)}
}
