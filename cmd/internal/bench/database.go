package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/reach"
	"github.com/tidings-live/tidings/store/session"
)

// databaseSetting returns a setting of Postgres, or "" if it cannot be read.
func databaseSetting(ctx context.Context, dsn, name string) (value string) {
	_ = withDatabase(ctx, dsn, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select current_setting($1)`, name).Scan(&value)
	})
	return value
}

// postmasterOf returns the id of the process that started the database's backends. It is
// 0 if the database cannot be reached, is on another machine or behind a pooler.
func postmasterOf(ctx context.Context, dsn string) (pid int) {
	_ = withDatabase(ctx, dsn, func(conn *pgx.Conn) error {
		backend := int(conn.PgConn().PID())
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", backend))
		if p, ok := processStat(backend); ok && string(name) == "postgres\n" {
			pid = p.parent // a backend of another machine hardly has the id of a postgres process here
		}
		return err
	})
	return pid
}

// withDatabase calls fn with a connection. It does nothing if dsn is "".
func withDatabase(ctx context.Context, dsn string, fn func(*pgx.Conn) error) error {
	if dsn == "" {
		return nil
	}
	connecting, cancel := context.WithTimeout(ctx, reach.Limit)
	defer cancel()
	conn, err := session.Connect(connecting, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return fn(conn)
}

// checkDatabase returns an error if the database cannot be used, or is not that of the
// server: a row of the database is not known to the server then. It does nothing if dsn
// is "".
func (t *target) checkDatabase(ctx context.Context, dsn string) error {
	if dsn == "" {
		return nil
	}
	cfg, err := session.ParseConfig(dsn)
	if err != nil {
		return err
	}
	post := t.post("database", 0)
	err = reach.Database(ctx, cfg, func(ctx context.Context) error {
		return withDatabase(ctx, dsn, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, `insert into tidings.posts (id) values ($1)`, post)
			return err
		})
	})
	if err != nil {
		return err
	}
	err = reach.Ask(ctx, t.url, func(ctx context.Context) error {
		_, err := t.client.Post(ctx, post)
		return err
	})
	if p := (*client.Problem)(nil); errors.As(err, &p) && p.Status == http.StatusNotFound {
		return fmt.Errorf("%s is not that of %s: the server does not have a post that was created there", reach.Name(cfg), t.url)
	}
	return err
}
