package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// An Executor is a session or a pool.
type Executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Connect returns a new, migrated database as Database does, and a session in it that ends
// with the test. The session is the one that prepared the database: a session more would
// cost 10 to 50 ms of CPU time, as much as the database.
func Connect(tb testing.TB) (conn *pgx.Conn, dsn string) {
	tb.Helper()
	dsn = database(tb, template)
	conn, err := pgx.Connect(tb.Context(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close(context.Background()) })
	number(tb, conn)
	return conn, dsn
}

// Pool is Connect with a pool in place of the session.
func Pool(tb testing.TB) (pool *pgxpool.Pool, dsn string) {
	tb.Helper()
	dsn = database(tb, template)
	pool, err := pgxpool.New(tb.Context(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	number(tb, pool)
	return pool, dsn
}

// number makes the epoch of a copy of the template epoch 1, so that the cursors in tests do
// not depend on the clock, and tells it that it is no copy: a copy begins a new epoch.
func number(tb testing.TB, in Executor) {
	tb.Helper()
	_, err := in.Exec(tb.Context(), `
		update tidings.epochs
		set epoch = 1, database_oid = (select oid from pg_database where datname = current_database())`)
	if err != nil {
		tb.Fatal(fmt.Errorf("number the epoch: %w", err))
	}
}
