package doctor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/session"
)

// A databaseRule is a query that returns one column, a text for each fault, and what mends the
// fault. Without a fault it returns no row.
type databaseRule struct {
	name, query, mend string
}

// databaseRules are the settings of a database that stop or delay Tidings. They read
// catalogs that each role may read.
var databaseRules = []databaseRule{
	{"version", `
		select 'this is Postgres ' || current_setting('server_version') || ': 15 or newer is needed'
		where current_setting('server_version_num')::int < 150000`,
		"upgrade Postgres"},
	{"encoding", `
		select 'the encoding of the database is ' || current_setting('server_encoding') || ': texts need UTF8'
		where current_setting('server_encoding') <> 'UTF8'`,
		"create database … encoding 'UTF8' template template0"},
	{"read-only", `
		select 'the database cannot be written: it is a standby, or default_transaction_read_only is on'
		where pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on'`,
		"connect to the primary; alter database … reset default_transaction_read_only"},
	{"schema", `
		select 'there is no schema tidings: the server uses another database, or has not migrated this one'
		where to_regnamespace('tidings') is null`,
		"tidings migrate --database-url …"},
	{"notifications", `
		select 'the queue of notifications is ' || round((100 * pg_notification_queue_usage())::numeric) ||
			' % full: a session listens and stays in a transaction'
		where pg_notification_queue_usage() > 0.5`,
		"end the oldest transaction: select pid, xact_start from pg_stat_activity order by xact_start"},
	{"connections", `
		select count(*) || ' of ' || current_setting('max_connections') || ' connections are taken'
		from pg_stat_activity
		where backend_type = 'client backend'
		having count(*) > 0.9 * current_setting('max_connections')::int`,
		"alter system set max_connections = …, or a pooler for other programs"},
}

// checkDatabase reads the settings of the database, sends a notification to itself, and
// compares the database with that of the server. All faults are in one finding.
func (x *examination) checkDatabase(ctx context.Context) Finding {
	const check = "database"
	if x.cfg.DatabaseURL == "" {
		return skipped(check, "set --database-url to check the settings of the database")
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	conn, err := session.Connect(ctx, x.cfg.DatabaseURL)
	if err != nil {
		return wrong(check, nil, "the database cannot be reached: %v", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var found []string
	var fix []Line
	for _, rule := range databaseRules {
		rows, _ := conn.Query(ctx, rule.query, pgx.QueryExecModeExec) // no prepared statement: this may be a pooler
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return wrong(check, nil, "%s could not be checked: %v", rule.name, err)
		}
		if len(texts) > 0 {
			found = append(found, texts...)
			fix = append(fix, Line{"Postgres", rule.mend})
		}
	}
	faults, err := migrations.Audit(ctx, x.cfg.DatabaseURL)
	if err != nil {
		return wrong(check, nil, "rights and objects could not be checked: %v", err)
	}
	for _, f := range faults {
		found = append(found, f.Text)
		fix = append(fix, Line{"Postgres", f.Mend})
	}
	if err := x.listens(ctx); err != nil {
		found = append(found, fmt.Sprintf("notifications do not arrive (%v): the address leads to a pooler in transaction mode", err))
		fix = append(fix, Line{"tidings serve", "TIDINGS_LISTEN_URL=postgres://… (the address of Postgres itself)"})
	}
	if !x.isDatabaseOfServer(ctx, conn) {
		found = append(found, "it is not the database of the server: an event that was published there is not in its log")
		fix = append(fix, Line{"tidings doctor", "--database-url postgres://… (the address in DATABASE_URL of the server)"})
	}
	if len(found) > 0 {
		return wrong(check, fix, "%s", strings.Join(found, "; "))
	}
	return ok(check, "the settings are right, and notifications arrive")
}

// isDatabaseOfServer publishes an event and looks for it in the log. It returns true if
// that is not possible: without a token, without an answer, and for a role that may not
// read the log.
func (x *examination) isDatabaseOfServer(ctx context.Context, conn *pgx.Conn) bool {
	topic := x.topic + "-database"
	if x.cfg.Token == "" || x.client.Publish(ctx, topic, "doctor", 0) != nil {
		return true
	}
	var logged bool
	err := conn.QueryRow(ctx, `
		select exists (
			select from tidings.events
			where topic = $1
		)`, pgx.QueryExecModeExec, topic,
	).Scan(&logged)
	return err != nil || logged
}

// listenTimeout is how long a notification to the same session may take.
const listenTimeout = 5 * time.Second

// listens returns nil if a notification reaches the session that sends it, at the address
// that the server listens at.
func (x *examination) listens(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	conn, err := session.Connect(ctx, cmp.Or(x.cfg.ListenURL, x.cfg.DatabaseURL))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range []string{`listen tidings_doctor`, `notify tidings_doctor`} {
		if _, err := conn.Exec(ctx, statement, pgx.QueryExecModeExec); err != nil {
			return err
		}
	}
	_, err = conn.WaitForNotification(ctx)
	return err
}
