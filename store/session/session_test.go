package session_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/session"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// hostile makes settings of the site that sessions must not have.
const hostile = `
	do $do$
	declare
		setting text;
	begin
		foreach setting in array array[
			'statement_timeout = 7000', 'lock_timeout = 7000', 'idle_in_transaction_session_timeout = 7000', 'idle_session_timeout = 7000',
			'client_encoding = LATIN1', 'standard_conforming_strings = off', 'datestyle = German', 'timezone = EST',
			'search_path = trap, pg_catalog', 'default_transaction_isolation = serializable', 'default_transaction_read_only = on',
			'plan_cache_mode = force_custom_plan', 'jit = on', 'enable_indexscan = off', 'row_security = off', 'plpgsql.extra_errors = "all"'
		]
		loop
			execute format('alter database %I set ', current_database()) || setting;
		end loop;
	end
	$do$`

// shown returns settings of a session, within a transaction that begins with a statement.
func shown(t *testing.T, dsn string, pin func(*pgx.ConnConfig, string), statement string) (settings string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	streamtest.Must(t, err)
	pin(cfg, "tidings test")
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	streamtest.Must(t, err)
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	streamtest.Must(t, err)
	_, err = tx.Exec(t.Context(), statement)
	streamtest.Must(t, err)
	streamtest.Must(t, tx.QueryRow(t.Context(), `
		select string_agg(name || '=' || pg_catalog.current_setting(name), ' ' order by n)
		from unnest(array['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout',
			'client_encoding', 'standard_conforming_strings', 'DateStyle', 'TimeZone', 'search_path', 'default_transaction_isolation',
			'default_transaction_read_only', 'plan_cache_mode', 'jit', 'enable_indexscan', 'row_security', 'plpgsql.extra_errors',
			'application_name']) with ordinality as given (name, n)`).Scan(&settings))
	return settings
}

// A session has our settings, whatever the database has. default_transaction_read_only is
// the site's, and its search_path stays behind pg_catalog.
func TestPin(t *testing.T) {
	t.Parallel()

	const ours = `statement_timeout=0 lock_timeout=3s idle_in_transaction_session_timeout=1min idle_session_timeout=0 ` +
		`client_encoding=UTF8 standard_conforming_strings=on DateStyle=ISO, MDY TimeZone=UTC search_path=pg_catalog, trap, pg_catalog ` +
		`default_transaction_isolation=read committed default_transaction_read_only=on plan_cache_mode=auto jit=off enable_indexscan=on ` +
		`row_security=on plpgsql.extra_errors=none application_name=tidings test`
	dsn := storetest.Empty(t)
	admin, err := pgx.Connect(t.Context(), dsn)
	streamtest.Must(t, err)
	defer admin.Close(t.Context())
	_, err = admin.Exec(t.Context(), hostile)
	streamtest.Must(t, err)

	streamtest.Want(t, "the settings of a session", shown(t, dsn, session.Pin, "select"), ours)
	streamtest.Want(t, "the settings of a transaction", shown(t, dsn, session.PinPooled, session.Local), ours)
}

// A client of a pooler, such as pg_restore, may leave a session without a search_path.
func TestLocal_WithoutASearchPath(t *testing.T) {
	t.Parallel()

	conn, err := pgx.Connect(t.Context(), storetest.Empty(t))
	streamtest.Must(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `select set_config('search_path', '', false)`)
	streamtest.Must(t, err)
	_, err = conn.Exec(t.Context(), session.Local)
	streamtest.Must(t, err)
}

func TestConnect_TakesSettingsOfPools(t *testing.T) {
	t.Parallel()
	conn, err := session.Connect(t.Context(), storetest.Empty(t)+"&pool_max_conns=2&pool_min_conns=0&pool_max_conn_idle_time=1m")
	streamtest.Must(t, err)
	streamtest.Must(t, conn.Close(t.Context()))
}
