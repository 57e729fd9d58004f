package storetest_test

import (
	"context"
	"regexp"
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

func TestPool_HasItsFirstSession(t *testing.T) {
	t.Parallel()

	pool, dsn := storetest.Pool(t)
	sessions := value[int](t, dsn, `select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	if sessions != 1 || pool.Stat().TotalConns() != 1 {
		t.Errorf("%d sessions, %d of the pool, want 1", sessions, pool.Stat().TotalConns())
	}
}

// all describes each row, sequence, object and trigger of a database.
const all = `
	select string_agg(line, E'\n' order by line)
	from (
		select relname || ' ' || xpath('//row', query_to_xml('select * from ' || oid::regclass, true, false, ''))::text
		from pg_class
		where relnamespace = 'tidings'::regnamespace and relkind = 'r'
		union all
		select concat_ws(' ', sequencename, last_value) from pg_sequences
		union all
		select pg_describe_object('pg_class'::regclass, oid, 0) from pg_class where relnamespace >= 2200
		union all
		select oid::regprocedure::text from pg_proc where pronamespace >= 2200
		union all
		select tgname || ' ' || tgrelid::regclass from pg_trigger
		union all
		select nspname from pg_namespace where nspname !~ '^pg_(toast_)?temp'
	) as o (line)`

var timesOfEpochs = regexp.MustCompile(`<created_at>.*</created_at>`)

func TestClear_RestoresEachRowAndObject(t *testing.T) {
	t.Parallel()

	conn, _ := storetest.Connect(t)
	describe := func() (lines string) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), all).Scan(&lines); err != nil {
			t.Fatal(err)
		}
		return timesOfEpochs.ReplaceAllString(lines, "")
	}
	want := describe()
	for _, sql := range []string{`
		insert into tidings.posts (id, author_id) values ('p', 'pia');
		insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', 'x');
		insert into tidings.comments (post_id, parent_id, author_id, body) values ('p', 1, 'bob', 'y');
		insert into tidings.likes (post_id, user_id) values ('p', 'ann');
		update tidings.comments set status = 'spam' where id = 1;
		delete from tidings.events where position < 3;
		select tidings.new_epoch()`, `
		update tidings.epochs set system_identifier = 1, timeline = 'x', database_oid = 1, events_oid = 1;
		create table app (id int generated always as identity);
		create view shown as select from app;
		create function app() returns trigger language plpgsql as $$ begin return new; end $$;
		create trigger app before insert on tidings.comments for each row execute function app();
		create schema other;
		create table other.app (id serial)`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if describe() == want {
		t.Error("nothing has changed")
	}
	storetest.Clear(t, conn)
	if got := describe(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
