package migrations

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/session"
)

// MinimumVersion is the oldest Postgres that has what the schema uses (UNIQUE NULLS NOT
// DISTINCT and unlogged sequences), in the format of the setting server_version_num.
const MinimumVersion = 150000

// connect opens a session whose settings do not depend on those of the database, where
// a setting could change the meaning of the SQL.
func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cfg, err := session.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("parse DSN: %w", err)
	}
	session.Pin(cfg, "tidings migrate")
	// A pooler refuses this parameter. It must: a migration needs its session until it ends.
	cfg.RuntimeParams["lock_timeout"] = lockTimeout.String()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	// Pin has set both. The site's search_path may contain any schema, with any functions.
	_, err = conn.Exec(ctx, "set search_path = pg_catalog; set lock_timeout = '"+lockTimeout.String()+"'")
	if err != nil {
		conn.Close(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("set up the session: %w", err)
	}
	return conn, nil
}

// checkServer returns an error if the server or the database cannot hold the schema.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var encoding string
	err := conn.QueryRow(ctx, `
		select
			current_setting('server_version_num')::int,
			current_setting('server_encoding')`,
	).Scan(&version, &encoding)
	if err != nil {
		return err
	}
	if version < MinimumVersion {
		return fmt.Errorf("server has version %d: Postgres 15 or newer is needed", version/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has encoding %s: UTF8 is needed", encoding)
	}
	return nil
}

// checkRowSecurity returns an error if row security is forced on the owner of a table of
// ours, and not bypassed: the functions would fail, and readers would miss rows.
func checkRowSecurity(ctx context.Context, conn *pgx.Conn) error {
	var tables string
	err := conn.QueryRow(ctx, `
		select coalesce(string_agg('tidings.' || relname, ', ' order by relname), '')
		from pg_class
		join pg_roles on pg_roles.oid = relowner
		where relnamespace = to_regnamespace('tidings')
			and relkind in ('r', 'p')
			and relrowsecurity and relforcerowsecurity
			and not rolsuper and not rolbypassrls`).Scan(&tables)
	if err != nil {
		return err
	}
	if tables != "" {
		return fmt.Errorf("row security is forced on %s, which would hide rows from Tidings itself: "+
			"run ALTER TABLE … NO FORCE ROW LEVEL SECURITY", tables)
	}
	return nil
}
