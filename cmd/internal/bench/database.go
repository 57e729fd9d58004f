package bench

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
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
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return fn(conn)
}
