package storetest

// SiteSettings are settings that a site may make with ALTER DATABASE or ALTER ROLE. Each
// of them changes text, results, plans, or what Postgres refuses.
var SiteSettings = []string{
	"client_encoding = LATIN1", "client_encoding = SQL_ASCII", "client_encoding = EUC_JP", "client_encoding = WIN1252",
	"standard_conforming_strings = off", "backslash_quote = off", "escape_string_warning = on", "array_nulls = off",
	"DateStyle = 'German, DMY'", "DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Kathmandu'", "IntervalStyle = sql_standard", "IntervalStyle = iso_8601",
	"bytea_output = escape", "xmlbinary = hex", "xmloption = document", "extra_float_digits = -15",
	"lc_numeric = 'C'", "lc_time = 'C'", "quote_all_identifiers = on", "transform_null_equals = on",
	"search_path = ''", "search_path = trap, pg_catalog", "search_path = trap, tidings, public, pg_catalog",
	"default_transaction_isolation = 'repeatable read'", "default_transaction_isolation = serializable", "default_transaction_deferrable = on",
	"statement_timeout = '3s'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '1ms'", "idle_session_timeout = '300ms'",
	"row_security = off", "check_function_bodies = off", "client_min_messages = debug5", "exit_on_error = on", "synchronous_commit = off",
	"plan_cache_mode = force_custom_plan", "enable_indexscan = off", "enable_nestloop = off", "enable_bitmapscan = off", "jit = on",
	"enable_sort = off", "work_mem = '64kB'", "constraint_exclusion = on", "default_statistics_target = 1", "temp_buffers = 100",
	"plpgsql.extra_errors = 'all'", "plpgsql.extra_warnings = 'all'",
	"max_parallel_workers_per_gather = 8", "parallel_setup_cost = 0",
}

// Trap is a schema whose objects take the place of Postgres's own if search_path has it
// first.
const Trap = `
	create schema trap;
	grant usage on schema trap to public;
	create function trap.pg_notify(text, text) returns void language sql as 'select';
	create function trap.set_config(text, text, boolean) returns text language sql as 'select null::text';
	create function trap.clock_timestamp() returns timestamptz language sql as $$ select '1999-01-01'::timestamptz $$;
	create function trap.statement_timestamp() returns timestamptz language sql as $$ select '1999-01-01'::timestamptz $$;
	create function trap.never(text, text) returns boolean language sql as 'select false';
	create operator trap.= (leftarg = text, rightarg = text, function = trap.never)`
