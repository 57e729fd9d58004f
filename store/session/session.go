package session

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connectTimeout bounds the time to connect, if the URL sets no connect_timeout.
const connectTimeout = 10 * time.Second

// A setting is one setting of Postgres.
type setting struct{ name, value string }

// startup are the settings that poolers accept when a client connects, and keep apart
// for each client. Postgres reports each change of them to the client.
var startup = []setting{
	{"client_encoding", "UTF8"},
	{"standard_conforming_strings", "on"},
	{"DateStyle", "ISO, MDY"},
	{"TimeZone", "UTC"},
}

// searchPath puts pg_catalog in front of the site's search_path. The rest of the path
// stays, because triggers of the site, which run in our sessions, may need it.
const searchPath = `pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', 'pg_catalog', nullif(pg_catalog.current_setting('search_path'), '')), %t)`

// pinned are the other settings. The first one ends the time limit for the rest.
var pinned = []setting{
	{"statement_timeout", "0"},

	// These end or refuse statements, transactions and sessions. Our transactions and
	// statements have their own time limits. Only a transaction that stays open because its
	// program hangs is ended by Postgres.
	{"lock_timeout", "3s"}, // of reads; a transaction that writes sets another
	{"transaction_timeout", "0"},
	{"idle_in_transaction_session_timeout", "60s"},
	{"idle_session_timeout", "0"},
	{"exit_on_error", "off"},
	{"plpgsql.extra_errors", "none"},
	{"restrict_nonsystem_relation_kind", ""},
	{"debug_parallel_query", "off"},
	{"force_parallel_mode", "off"},

	// These change results.
	{"row_security", "on"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_deferrable", "off"},
	{"transform_null_equals", "off"},
	{"array_nulls", "on"},
	{"backslash_quote", "safe_encoding"},
	{"bytea_output", "hex"},
	{"extra_float_digits", "1"},
	{"IntervalStyle", "postgres"},
	{"quote_all_identifiers", "off"},
	{"xmlbinary", "base64"},
	{"xmloption", "content"},
	{"check_function_bodies", "on"},
	{"default_table_access_method", "heap"},
	{"default_tablespace", ""},
	{"temp_tablespaces", ""},
	{"client_min_messages", "warning"},

	// These change plans. A plan is kept for the life of the connection.
	{"plan_cache_mode", "auto"},
	{"enable_indexscan", "on"},
	{"enable_indexonlyscan", "on"},
	{"enable_bitmapscan", "on"},
	{"enable_tidscan", "on"},
	{"enable_nestloop", "on"},
	{"enable_hashjoin", "on"},
	{"enable_mergejoin", "on"},
	{"enable_material", "on"},
	{"enable_memoize", "on"},
	{"enable_seqscan", "on"},
	{"enable_sort", "on"},
	{"enable_incremental_sort", "on"},
	{"jit", "off"},
}

// ParseConfig parses a DSN as pgx does. It also accepts the settings of pools (pool_max_conns), which
// Postgres would refuse as unknown: one DATABASE_URL serves pools and single connections.
func ParseConfig(dsn string) (*pgx.ConnConfig, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	return cfg.ConnConfig, nil
}

// Connect connects with a DSN that [ParseConfig] accepts.
func Connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cfg, err := ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, cfg)
}

// Pin prepares a connection to Postgres itself: it then has our settings, and the name in
// pg_stat_activity. Only a primary is accepted, unless the URL sets target_session_attrs.
func Pin(cfg *pgx.ConnConfig, name string) {
	PinPooled(cfg, name)
	pin := statement(false)
	cfg.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		// SET first: it ends the statement_timeout.
		if err := conn.Exec(ctx, "set statement_timeout = 0; "+pin).Close(); err != nil {
			return fmt.Errorf("set up the session: %w", err)
		}
		return nil
	}
}

// PinPooled prepares a connection to a pooler. Each transaction needs [Local], too.
func PinPooled(cfg *pgx.ConnConfig, name string) {
	cfg.RuntimeParams["application_name"] = name
	for _, s := range startup {
		for given := range cfg.RuntimeParams { // names of settings have no case
			if strings.EqualFold(given, s.name) {
				delete(cfg.RuntimeParams, given)
			}
		}
		cfg.RuntimeParams[s.name] = s.value
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.ValidateConnect == nil { // a standby can neither write nor notify
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
}

// Local is a statement that makes our settings for the rest of a transaction.
var Local = statement(true)

// statement returns a select that makes the settings that this version of Postgres has.
func statement(local bool) string {
	var sql strings.Builder
	fmt.Fprintf(&sql, "select "+searchPath, local)
	for _, s := range pinned {
		fmt.Fprintf(&sql, ", case when pg_catalog.current_setting('%s', true) is not null then pg_catalog.set_config('%[1]s', '%s', %t) end",
			s.name, s.value, local)
	}
	return sql.String()
}

// Clean reports whether a session still has the settings that poolers keep apart. A
// trigger of the site may have changed them in one of our transactions.
func Clean(conn *pgconn.PgConn) bool {
	for _, s := range startup {
		if got := conn.ParameterStatus(s.name); got != "" && got != s.value {
			return false
		}
	}
	return true
}
