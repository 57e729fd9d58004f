package migrations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A migrator brings one database to a release.
type migrator struct {
	conn    *pgx.Conn
	release release
	logger  *slog.Logger
}

// apply connects, and brings the database up to date. It fails if a lock is not granted within
// lockTimeout.
func apply(ctx context.Context, dsn string, r release, logger *slog.Logger) error {
	conn, err := connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))

	m := migrator{conn, r, logger}
	if err := checkServer(ctx, conn); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := m.prepare(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := m.advance(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := checkRowSecurity(ctx, conn); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// prepare creates the schema and the table of the migrations if they are missing.
// IF NOT EXISTS alone would require the right to create them even if they exist.
func (m migrator) prepare(ctx context.Context) error {
	var unreleased bool
	err := m.conn.QueryRow(ctx, `
		select to_regnamespace('tidings') is not null
			and to_regclass('tidings.schema_version') is not null`).Scan(&unreleased)
	if err != nil {
		return err
	}
	if unreleased {
		return errors.New("the schema tidings was made by a version from before the first release, which cannot be upgraded " +
			"(it has a table tidings.schema_version): use a new database, or save what you need and run DROP SCHEMA tidings CASCADE")
	}
	_, err = m.conn.Exec(ctx, `
		do $$
		begin
			if to_regnamespace('tidings') is null then
				create schema if not exists tidings;
			end if;
			if to_regclass('tidings.migrations') is null then
				create table if not exists tidings.migrations (
					kind            text not null,
					number          integer not null,
					name            text not null,
					sha256          text not null,
					oldest_program  integer not null,
					applied_at      timestamptz not null default clock_timestamp(),
					primary key (kind, number),
					constraint migrations_kind check (kind in ('file', 'functions', 'grants'))
				);
				comment on table tidings.migrations is
					'What the migrations have applied: numbered files, versions of the functions, and grants.';
			end if;
		end
		$$`)
	if err != nil {
		return fmt.Errorf("create schema tidings: %w", err)
	}
	return nil
}

// advance takes all steps, in one transaction. Otherwise the functions of the release before would
// run with the tables of this one until they are replaced. Whether there is a step is looked up
// without the lock first: a database that is up to date needs no lock, and no right to lock.
// The lock conflicts with itself, but not with reading: neither pg_dump nor its lock on the table
// delays the other.
func (m migrator) advance(ctx context.Context) error {
	in, err := read(ctx, m.conn)
	if err != nil {
		return err
	}
	next, err := plan(m.release, in)
	if err != nil || next == nil {
		if err == nil && newer(m.release, in) {
			m.logger.InfoContext(ctx, "a newer tidings has migrated the database; this one can work with it")
		}
		return err
	}
	return pgx.BeginTxFunc(ctx, m.conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `lock table tidings.migrations in exclusive mode`); err != nil {
			return fmt.Errorf("wait for another migrator: %w", err)
		}
		revoked := false
		for {
			in, err := read(ctx, m.conn)
			if err != nil {
				return err
			}
			if revoked { // what is left cannot be revoked; the audit names it
				in.grants.due = false
			}
			next, err := plan(m.release, in)
			if err != nil || next == nil {
				return err
			}
			if err := m.take(ctx, tx, *next); err != nil {
				return err
			}
			revoked = revoked || next.grants != nil
		}
	})
}

// take makes the change of one step. Default privileges of the owner may give other roles
// rights on each new object: they are revoked in the same transaction.
func (m migrator) take(ctx context.Context, tx pgx.Tx, s step) error {
	if s.grants != nil {
		if len(s.grants.revoke) > 0 {
			m.logger.WarnContext(ctx, "other roles have rights in the schema tidings that they must not have: they are revoked",
				"statements", s.grants.revoke)
		}
		if len(s.grants.identify) > 0 {
			m.logger.WarnContext(ctx, "tables of the schema tidings have no replica identity, which publications need: they get one",
				"statements", s.grants.identify)
		}
		if err := runAll(ctx, tx, slices.Concat(s.grants.revoke, s.grants.identify)); err != nil {
			return err
		}
		return note(ctx, tx, record{kindGrants, 0, "grants", s.grants.place, 0})
	}
	settled, err := objects(ctx, m.conn)
	if err != nil {
		return err
	}
	if err := m.change(ctx, tx, s); err != nil {
		return err
	}
	excess, err := excessGrants(ctx, m.conn, settled, false)
	if err != nil {
		return err
	}
	return runAll(ctx, tx, excess)
}

// change runs a numbered file, or replaces the functions.
func (m migrator) change(ctx context.Context, tx pgx.Tx, s step) error {
	if s.file != nil {
		m.logger.InfoContext(ctx, "migrating", "number", s.file.number, "name", s.file.name)
		if _, err := tx.Exec(ctx, s.file.sql); err != nil {
			return located(s.file.name, s.file.sql, err)
		}
		return note(ctx, tx, record{kindFile, s.file.number, s.file.name, s.file.sha256, s.file.oldestProgram})
	}
	m.logger.InfoContext(ctx, "replacing functions", "version", m.release.version)
	if err := applyFunctions(ctx, tx, m.release.functions); err != nil {
		return err
	}
	return note(ctx, tx, record{kindFunctions, m.release.version, "functions", m.release.sha256, 0})
}

// note records what has been applied.
func note(ctx context.Context, tx pgx.Tx, r record) error {
	_, err := tx.Exec(ctx, `
		insert into tidings.migrations (kind, number, name, sha256, oldest_program)
		values ($1, $2, $3, $4, $5)
		on conflict (kind, number) do update
		set sha256 = excluded.sha256, applied_at = excluded.applied_at`,
		r.Kind, r.Number, r.Name, r.SHA256, r.OldestProgram)
	return err
}

// located adds the file, and the line where Postgres found the error, to the error.
func located(name, sql string, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Position == 0 {
		return fmt.Errorf("%s: %w", name, err)
	}
	text := []rune(sql)
	before := text[:min(int(pg.Position)-1, len(text))]
	return fmt.Errorf("%s:%d: %w", name, 1+strings.Count(string(before), "\n"), err)
}
