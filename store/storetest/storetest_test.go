package storetest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// value runs a query that returns one value.
func value[T any](tb testing.TB, dsn, sql string) (v T) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), dsn)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(tb.Context(), sql).Scan(&v); err != nil {
		tb.Fatal(err)
	}
	return v
}

const hasSchema = `select exists (select from pg_namespace where nspname = 'tidings')`

func TestDatabase_IsMigratedAndTheTestsOwn(t *testing.T) {
	t.Parallel()

	first, second := storetest.Database(t), storetest.Database(t)
	if !value[bool](t, first, hasSchema) {
		t.Error("the schema tidings is missing")
	}
	value[string](t, first, `insert into tidings.posts (id) values ('mine') returning id`)
	if n := value[int](t, second, `select count(*) from tidings.posts`); n != 0 {
		t.Errorf("%d posts in another test's database", n)
	}
}

func TestDatabase_IsDroppedWithItsTest(t *testing.T) {
	t.Parallel()

	var name string
	t.Run("Inner", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), storetest.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		name = conn.Config().Database
	})
	left := value[bool](t, storetest.Server().DSN("postgres"), `select exists (select from pg_database where datname = '`+name+`')`)
	if left {
		t.Errorf("%s is still there", name)
	}
}

func TestEmpty_HasNoSchema(t *testing.T) {
	t.Parallel()

	if value[bool](t, storetest.Empty(t), hasSchema) {
		t.Error("the schema tidings is there")
	}
}

func TestNewServer_IsDurableAndRestarts(t *testing.T) {
	t.Parallel()

	server := storetest.NewServer(t)
	dsn := server.DSN("tidings")
	if got := value[string](t, dsn, `show fsync`); got != "on" {
		t.Errorf("fsync is %s", got)
	}
	if err := server.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	value[int](t, dsn, `select 1`)
}
