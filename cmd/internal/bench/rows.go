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

// SameRows is the time that a comment takes without a server. One INSERT over a database
// connection writes the same rows, by the same triggers; another connection receives the
// doorbell's notification and reads the log.
type SameRows struct {
	Insert Summary `json:"insert"` // until the INSERT is committed
	Read   Summary `json:"read"`   // from the start of the INSERT until its event was read
}

// A rowsMeter measures SameRows in the database of a server that runs. The methods of a
// nil *rowsMeter do nothing.
type rowsMeter struct {
	now      func() time.Duration
	post     string
	author   string
	conn     *pgx.Conn
	listener *pgx.Conn
	position int64 // of the last event that was read; 0 before the first read

	insert, read []time.Duration
}

// openRows returns nil if the database is not known.
func (t *target) openRows(ctx context.Context) (_ *rowsMeter, err error) {
	if t.dsn == "" {
		return nil, nil
	}
	m := &rowsMeter{now: t.now, post: t.post("rows", 0), author: "bench-" + t.run + "-rows"}
	defer func() {
		if err != nil {
			m.close()
			err = fmt.Errorf("measure the same rows: %w", err)
		}
	}()
	if m.conn, err = session.Connect(ctx, t.dsn); err != nil {
		return nil, err
	}
	if m.listener, err = session.Connect(ctx, t.dsn); err != nil {
		return nil, err
	}
	if _, err = m.listener.Exec(ctx, `listen tidings_log`); err != nil {
		return nil, err
	}
	return m, m.write(ctx)
}

// close closes both connections. The comments stay in the database.
func (m *rowsMeter) close() {
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, conn := range []*pgx.Conn{m.conn, m.listener} {
		if conn != nil {
			_ = conn.Close(ctx)
		}
	}
}

// sample writes one comment and waits until its event has been read.
func (m *rowsMeter) sample(ctx context.Context) error {
	if m == nil {
		return nil
	}
	if err := m.catchUp(ctx); err != nil { // events that the server has written since
		return fmt.Errorf("measure the same rows: %w", err)
	}
	begin := m.now()
	if err := m.write(ctx); err != nil {
		return fmt.Errorf("measure the same rows: %w", err)
	}
	m.insert = append(m.insert, m.now()-begin)
	for before := m.position; m.position == before; {
		if _, err := m.listener.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("wait for the same rows: %w", err)
		}
		if err := m.catchUp(ctx); err != nil {
			return fmt.Errorf("read the same rows: %w", err)
		}
	}
	m.read = append(m.read, m.now()-begin)
	return nil
}

// write inserts the row that a POST of a comment inserts.
func (m *rowsMeter) write(ctx context.Context) error {
	_, err := m.conn.Exec(ctx, `insert into tidings.comments (post_id, author_id, body) values ($1, $2, $3)`,
		m.post, m.author, strings.Repeat("x", 40))
	return err
}

// catchUp reads the log to its end, as a server does. The first call only finds the end.
func (m *rowsMeter) catchUp(ctx context.Context) error {
	if m.position == 0 {
		return m.listener.QueryRow(ctx, `select max(position) from tidings.events`).Scan(&m.position)
	}
	var topic, name string
	var data []byte
	rows, err := m.listener.Query(ctx, `
		select position, topic, name, data
		from tidings.log
		where position > $1
		order by position`, m.position)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&m.position, &topic, &name, &data}, func() error { return nil })
	return err
}

// summary returns the figures, or nil if the database is not known.
func (m *rowsMeter) summary() (*SameRows, error) {
	if m == nil {
		return nil, nil
	}
	if len(m.insert) == 0 {
		return nil, errors.New("the same rows were not measured")
	}
	return &SameRows{summarize(m.insert), summarize(m.read)}, nil
}
