package bench

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
)

// databaseSetting asks Postgres; "" when there is no answer.
func databaseSetting(ctx context.Context, dsn, name string) (value string) {
	_ = withDatabase(ctx, dsn, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `select current_setting($1)`, name).Scan(&value)
	})
	return value
}

// postmasterOf is the process whose children a database's backends are; 0 when it is
// not on this machine, behind a pooler, or when there is no answer.
func postmasterOf(ctx context.Context, dsn string) (pid int) {
	_ = withDatabase(ctx, dsn, func(conn *pgx.Conn) error {
		backend := int(conn.PgConn().PID())
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", backend))
		if p, ok := processStat(backend); ok && string(name) == "postgres\n" {
			pid = p.parent // another machine's number is hardly one of ours of that name
		}
		return err
	})
	return pid
}

// withDatabase calls fn with a connection, unless the database is not known.
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
