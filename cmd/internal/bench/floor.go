package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Floor is what Postgres alone takes, over a connection that is open already:
// no server that keeps its promises can be quicker.
type Floor struct {
	Insert       Summary `json:"insert"`
	Notify       Summary `json:"notify"`
	InsertNotify Summary `json:"insertAndNotify"`
}

// A floorMeter measures the floor beside the server, in its database. A nil one does
// nothing.
type floorMeter struct {
	now      func() time.Duration
	conn     *pgx.Conn
	listener *pgx.Conn
	name     string             // of a scratch table and a channel
	received chan time.Duration // when each notification arrived; closed with listener
	cancel   context.CancelFunc

	insert, notify, both []time.Duration
}

// openFloor returns nil when the database is not known.
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
	if m.conn, err = pgx.Connect(ctx, t.dsn); err != nil {
		cancel()
		return nil, err
	}
	if m.listener, err = pgx.Connect(ctx, t.dsn); err != nil {
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

func (m *floorMeter) listen(ctx context.Context) {
	defer close(m.received)
	for {
		if _, err := m.listener.WaitForNotification(ctx); err != nil {
			return
		}
		m.received <- m.now()
	}
}

func (m *floorMeter) close() {
	if m == nil {
		return
	}
	m.cancel()
	for range m.received { // until the listener has ended
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = m.listener.Close(ctx)
	_ = m.conn.Close(ctx) // it may be broken: pgx gives up a connection whose statement was cancelled
	conn, err := pgx.ConnectConfig(ctx, m.conn.Config())
	if err != nil {
		return // a database that is gone took the table along
	}
	_, _ = conn.Exec(ctx, `drop table if exists `+m.name)
	_ = conn.Close(ctx)
}

// sample takes one of each.
func (m *floorMeter) sample(ctx context.Context) error {
	if m == nil {
		return nil
	}
	body := strings.Repeat("x", 40)
	// The cheapest first: the server may still be busy with what comes after an answer.
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

// ring runs a statement that notifies and returns how long it took to be received.
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

func (m *floorMeter) summary() *Floor {
	if m == nil {
		return nil
	}
	return &Floor{summarize(m.insert), summarize(m.notify), summarize(m.both)}
}
