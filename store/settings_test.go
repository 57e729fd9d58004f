package store_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// siteSettings are settings that a site may make with ALTER DATABASE or ALTER ROLE. Each
// of them changes text, results, plans, or what Postgres refuses.
var siteSettings = []string{
	"client_encoding = LATIN1", "client_encoding = SQL_ASCII", "client_encoding = EUC_JP", "client_encoding = WIN1252",
	"standard_conforming_strings = off", "backslash_quote = off", "escape_string_warning = on", "array_nulls = off",
	"DateStyle = 'German, DMY'", "DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Kathmandu'", "IntervalStyle = sql_standard", "IntervalStyle = iso_8601",
	"bytea_output = escape", "xmlbinary = hex", "xmloption = document", "extra_float_digits = -15",
	"lc_numeric = 'C'", "lc_time = 'C'", "quote_all_identifiers = on", "transform_null_equals = on",
	"search_path = ''", "search_path = trap, pg_catalog", "search_path = trap, tidings, public, pg_catalog",
	"default_transaction_isolation = 'repeatable read'", "default_transaction_isolation = serializable", "default_transaction_deferrable = on",
	"statement_timeout = '50ms'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '1ms'", "idle_session_timeout = '300ms'",
	"row_security = off", "check_function_bodies = off", "client_min_messages = debug5", "exit_on_error = on", "synchronous_commit = off",
	"plan_cache_mode = force_custom_plan", "enable_indexscan = off", "enable_nestloop = off", "enable_bitmapscan = off", "jit = on",
	"enable_sort = off", "work_mem = '64kB'", "constraint_exclusion = on", "default_statistics_target = 1", "temp_buffers = 100",
	"plpgsql.extra_errors = 'all'", "plpgsql.extra_warnings = 'all'",
	"max_parallel_workers_per_gather = 8", "parallel_setup_cost = 0",
}

// trap is a schema whose objects take the place of Postgres's own if search_path has it
// first.
const trap = `
	create schema trap;
	grant usage on schema trap to public;
	create function trap.pg_notify(text, text) returns void language sql as 'select';
	create function trap.set_config(text, text, boolean) returns text language sql as 'select null::text';
	create function trap.clock_timestamp() returns timestamptz language sql as $$ select '1999-01-01'::timestamptz $$;
	create function trap.statement_timestamp() returns timestamptz language sql as $$ select '1999-01-01'::timestamptz $$;
	create function trap.never(text, text) returns boolean language sql as 'select false';
	create operator trap.= (leftarg = text, rightarg = text, function = trap.never)`

// hardTexts are bodies that a wrong encoding changes, or cannot represent.
var hardTexts = []string{"café", "5 €", "🎉 👩‍💻", `back\slash 'quote'`, "Grüße, мир, 日本"}

// What the site sets on its database or role does not change text, events, lists or the
// log, in the sessions of the store, the listener and the migrations.
func TestSiteSettings_ChangeNothing(t *testing.T) {
	t.Parallel()

	for _, setting := range siteSettings {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			d := database{dsn: storetest.Database(t)}
			d.sql = utf8Client(t, d.dsn)
			d.exec(t, trap)
			d.set(t, "database %2$I", setting)
			checkTexts(t, d)
		})
	}
	t.Run("AllTogether", func(t *testing.T) {
		t.Parallel()
		d := database{dsn: storetest.Database(t)}
		d.sql = utf8Client(t, d.dsn)
		d.exec(t, trap)
		for _, setting := range siteSettings {
			d.set(t, "database %2$I", setting)
		}
		checkTexts(t, d)
	})
	t.Run("AllOnTheRole", func(t *testing.T) {
		t.Parallel()
		d := database{dsn: storetest.Database(t)}
		d.sql = utf8Client(t, d.dsn)
		d.exec(t, trap)
		for _, setting := range siteSettings {
			d.set(t, "role %1$I in database %2$I", setting)
		}
		checkTexts(t, d)
	})
	t.Run("InTheDSN", func(t *testing.T) {
		t.Parallel()
		d := database{dsn: storetest.Database(t)}
		d.sql = utf8Client(t, d.dsn)
		d.dsn += "&client_encoding=LATIN1&datestyle=German&timezone=Asia/Tokyo&standard_conforming_strings=off"
		checkTexts(t, d)
	})
}

// set makes a setting for new sessions of the database, or of its role.
func (d database) set(t *testing.T, target, setting string) {
	t.Helper()
	d.exec(t, `do $do$ begin execute format($s$alter `+target+` set `+setting+`$s$, current_user, current_database()); end $do$`)
}

// utf8Client is a program of the site that knows its encoding. All other settings are
// those of the site.
func utf8Client(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	streamtest.Must(t, err)
	cfg.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	streamtest.Must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// checkTexts opens a store, writes hardTexts over it and with SQL, and reads them on all ways.
func checkTexts(t *testing.T, d database) {
	t.Helper()
	// The site's program writes with the settings that it had before the change.
	d.Store = open(t, d.dsn)
	_, got := listen(t, d.Store)
	var want []string
	for i, text := range hardTexts {
		author := store.User{ID: fmt.Sprint("u", i), Name: text}
		made := d.comment(t, store.NewComment{PostID: "42", Author: author, Body: text, IdempotencyKey: []string{"", "key"}[i%2]})
		streamtest.Want(t, "the answer's body", made.Body, text)
		before := got.wakes.Load()
		d.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('42', 'sql', $1)`, "SQL "+text)
		got.waitForWake(t, before)
		streamtest.Must(t, d.Publish(t.Context(), "post:42", "news", fmt.Appendf(nil, `{"text":%q}`, text)))
		want = append(want, text, "SQL "+text)
	}
	var bodies []string
	for _, c := range d.list(t, "42").Comments {
		bodies = append([]string{c.Body}, bodies...)
	}
	streamtest.Want(t, "the list", bodies, want)
	bodies = nil
	for _, e := range named(d.events(t, 0, "post:42"), "new-comment") {
		bodies = append(bodies, decode[struct{ Body string }](t, e).Body)
	}
	streamtest.Want(t, "the events", bodies, want)
	streamtest.Want(t, "published events", len(named(d.events(t, 0), "news")), len(hardTexts))
	likes, err := d.Like(t.Context(), "42", ann)
	streamtest.Must(t, err)
	streamtest.Want(t, "likes", likes, store.Likes{Count: 1, Liked: true})
	eachMethod(t, d.Store, func(name string, err error) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	_, err = d.Trim(t.Context(), store.Retention{Age: store.MinimumAge, Rows: 1})
	streamtest.Must(t, err)
}
