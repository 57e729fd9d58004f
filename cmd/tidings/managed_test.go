package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A hosted is a database as providers of Postgres give it: its owner is a superuser of the
// provider, PUBLIC has no rights, extensions cannot be created, and Tidings has a role with
// CONNECT and CREATE on this database alone. Roles and extensions are those of one test.
type hosted struct {
	*site                // a program that reads the tables of Tidings as their owner
	database      string // name of the database
	owner, writer string // the role of Tidings, and the role of the site's own programs
	admin         *site  // the provider
	programs      *pgxpool.Pool
	checks        int // how often check was called
}

// hostings numbers the roles, which all databases of a server share.
var hostings atomic.Int64

// host makes a hosted database on the server that the tests share.
func host(t *testing.T) *hosted {
	t.Helper()
	h := newHosted(t, storetest.Server())
	h.prepare(t, storetest.Empty(t))
	return h
}

// hostAt makes a hosted database with the name on a server that only this test uses.
func hostAt(t *testing.T, server *localpg.Server, name string) *hosted {
	t.Helper()
	h := newHosted(t, server)
	siteAt(t, server.DSN("postgres")).exec(t, `create database `+name)
	h.prepare(t, server.DSN(name))
	return h
}

// privateServer starts a Postgres that only this test uses, with settings of its own. It
// is stopped and removed when the test ends.
func privateServer(t *testing.T, settings map[string]string) *localpg.Server {
	t.Helper()
	server, err := localpg.Start(t.Context(), localpg.Config{Dir: storetest.Cluster(t), Settings: settings})
	streamtest.Must(t, err)
	t.Cleanup(func() { streamtest.Must(t, server.Stop(afterwards(t))) })
	return server
}

// afterwards is a context for the cleanup of a test.
func afterwards(t *testing.T) context.Context { return context.WithoutCancel(t.Context()) }

// newHosted makes the two roles. They are dropped after the databases that the test asks
// for later.
func newHosted(t *testing.T, server *localpg.Server) *hosted {
	t.Helper()
	n := hostings.Add(1)
	h := &hosted{owner: fmt.Sprint("owner_", n), writer: fmt.Sprint("writer_", n)}
	roles := siteAt(t, server.DSN("postgres"))
	roles.exec(t, fmt.Sprintf(`create role %s login; create role %s login`, h.owner, h.writer))
	if server == storetest.Server() { // another server is removed when the test ends
		t.Cleanup(func() {
			_, err := roles.sql.Exec(afterwards(t), fmt.Sprintf(`drop role %s, %s`, h.owner, h.writer))
			streamtest.Must(t, err)
		})
	}
	return h
}

// prepare sets the rights of the database of dsn, whose user is a superuser.
func (h *hosted) prepare(t *testing.T, dsn string) {
	t.Helper()
	h.admin = siteAt(t, inTheirTerms(dsn))
	h.admin.dsn = dsn
	h.database = value[string](t, h.admin, `select current_database()`)
	h.site = siteAt(t, inOurTerms(roleDSN(dsn, h.owner)))
	h.site.dsn = roleDSN(dsn, h.owner)
	h.programs = siteAt(t, inTheirTerms(roleDSN(dsn, h.writer))).sql
	h.admin.exec(t, strings.NewReplacer("DATABASE", h.database, "OWNER", h.owner, "WRITER", h.writer).Replace(`
		revoke all on database DATABASE from public;
		revoke all on schema public from public;
		grant connect, create on database DATABASE to OWNER;
		grant connect on database DATABASE to WRITER;
		alter default privileges for role OWNER grant all on tables to WRITER;
		alter default privileges for role OWNER grant all on sequences to WRITER;
		alter default privileges for role OWNER grant all on functions to WRITER;
		alter default privileges for role OWNER grant all on schemas to WRITER;
		create schema provider;
		create function provider.refuse() returns event_trigger language plpgsql as
			$$ begin raise insufficient_privilege using message = 'extensions are not available'; end $$;
		create event trigger refuse on ddl_command_start when tag in ('CREATE EXTENSION', 'ALTER EXTENSION')
			execute function provider.refuse();`))
}

// roleDSN is the DSN for another user.
func roleDSN(dsn, role string) string {
	return strings.Replace(dsn, "postgres://tidings@", "postgres://"+role+"@", 1)
}

// inOurTerms sets what the statements of the tests need, whatever the site has set.
func inOurTerms(dsn string) string {
	return inTheirTerms(dsn) + "&default_transaction_isolation=read%20committed&default_transaction_read_only=off"
}

// inTheirTerms sets what a program sets that has texts in UTF-8 and slow statements.
func inTheirTerms(dsn string) string {
	return dsn + "&client_encoding=UTF8&client_min_messages=warning&jit=off&search_path=pg_catalog&statement_timeout=0&lock_timeout=0&idle_session_timeout=0&idle_in_transaction_session_timeout=0"
}

// migrate runs the migrations as the owner, and then grants the rights of docs/postgres.md
// to the programs of the site.
func (h *hosted) migrate(t *testing.T) {
	t.Helper()
	streamtest.Must(t, migrations.Up(t.Context(), h.dsn, discard))
	h.grant(t)
}

// grant gives the programs of the site the rights that they need.
func (h *hosted) grant(t *testing.T) {
	t.Helper()
	h.exec(t, strings.ReplaceAll(`
		grant usage on schema tidings to WRITER;
		grant select, insert, update, delete on tidings.users, tidings.posts, tidings.comments, tidings.likes to WRITER;
		grant select, update, delete on tidings.notifications to WRITER;
		grant execute on function tidings.publish to WRITER`, "WRITER", h.writer))
}

// set makes settings for new sessions in the database: onRole those of Tidings, else all.
func (h *hosted) set(t *testing.T, onRole bool, settings ...string) {
	t.Helper()
	target := "database " + h.database
	if onRole {
		target = fmt.Sprintf("role %s in %s", h.owner, target)
	}
	for _, setting := range settings {
		h.admin.exec(t, fmt.Sprintf(`alter %s set %s`, target, setting))
	}
}

// write runs SQL as a program of the site. It repeats what fails because the default
// isolation level is stricter than READ COMMITTED, as such a program must.
func (h *hosted) write(t *testing.T, sql string, args ...any) (id string) {
	t.Helper()
	streamtest.Must(t, h.tryWrite(t.Context(), &id, sql, args...))
	return id
}

// tryWrite is write for a statement that may fail. The statement returns one text.
func (h *hosted) tryWrite(ctx context.Context, id *string, sql string, args ...any) error {
	for {
		err := h.programs.QueryRow(ctx, sql, args...).Scan(id)
		var pg *pgconn.PgError
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case errors.As(err, &pg) && pg.Code == pgerrcode.SerializationFailure:
			continue
		}
		return err
	}
}
