package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Tidings needs CONNECT and CREATE on a database, and nothing else.
func TestHosted_WithoutRights(t *testing.T) {
	t.Parallel()

	t.Run("CreateOnTheDatabaseOnly", func(t *testing.T) {
		t.Parallel()
		h := host(t)
		h.migrate(t)
		h.check(t, h.start(t), h.start(t))
		streamtest.Want(t, "extensions", value[int](t, h.admin, `select count(*) from pg_extension where extname <> 'plpgsql'`), 0)
		h.wantNoOtherRights(t)
		t.Run("Restored", h.isRestored)
	})

	// A provider makes a role that owns everything, and gives logins to its members.
	t.Run("LoginIsAMemberOfTheOwner", func(t *testing.T) {
		t.Parallel()
		h := host(t)
		login := h.role(t, "login")
		h.admin.exec(t, fmt.Sprintf(`grant %s to %s`, h.owner, login))
		h.admin.exec(t, fmt.Sprintf(`alter role %s in database %s set role = %s`, login, h.database, h.owner))
		h.site.dsn = roleDSN(h.admin.dsn, login)
		h.migrate(t)
		streamtest.Want(t, "owner of the tables", value[string](t, h.site, `select relowner::regrole::text from pg_class where oid = 'tidings.events'::regclass`), h.owner)
		h.check(t, h.start(t))
	})
}

// role makes another role, until the test ends. It must then own nothing.
func (h *hosted) role(t *testing.T, name string) string {
	t.Helper()
	name = h.owner + "_" + name
	h.admin.exec(t, `create role `+name+` login`)
	t.Cleanup(func() {
		_, err := h.admin.sql.Exec(afterwards(t), `drop role `+name)
		streamtest.Must(t, err)
	})
	return name
}

// wantNoOtherRights checks that the default privileges of the provider gave the programs
// of the site no right that would let them forge events.
func (h *hosted) wantNoOtherRights(t *testing.T) {
	t.Helper()
	for _, right := range []string{
		`has_table_privilege($1, 'tidings.events', 'insert')`,
		`has_table_privilege($1, 'tidings.pending', 'insert')`,
		`has_table_privilege($1, 'tidings.counts', 'update')`,
		`has_table_privilege($1, 'tidings.tickets', 'select')`,
		`has_table_privilege($1, 'tidings.comments', 'trigger')`,
		`has_function_privilege($1, 'tidings.number(xid8)', 'execute')`,
		`has_sequence_privilege($1, 'tidings.positions', 'usage')`,
		`has_schema_privilege($1, 'tidings', 'create')`,
	} {
		streamtest.Want(t, right, value[bool](t, h.admin, `select `+right, h.writer), false)
	}
}

// isRestored restores a dump of the database without owners and without rights, by another
// role into another database. It is served as before, and gives no role more than it had.
func (h *hosted) isRestored(t *testing.T) {
	to := host(t)
	file := filepath.Join(t.TempDir(), "dump")
	postgres(t, "pg_dump", "--format=custom", "--schema=tidings", "--file", file, "--dbname", h.dsn)
	postgres(t, "pg_restore", "--no-acl", "--no-owner", "--exit-on-error", "--dbname", to.dsn, file)
	streamtest.Want(t, "PUBLIC may number events before Tidings starts",
		value[bool](t, to.admin, `select has_function_privilege($1, 'tidings.number(xid8)', 'execute')`, to.writer), true)

	to.checks = h.checks
	to.migrate(t)
	to.wantNoOtherRights(t)
	srv := to.start(t)
	to.wantLists(t, srv, "check-1")
	to.check(t, srv)
}

// A publication for all tables, with a consumer, breaks neither writing nor migrating,
// whether it is made before or after the migration.
func TestHosted_PublicationForAllTables(t *testing.T) {
	t.Parallel()
	server := privateServer(t, map[string]string{"wal_level": "logical"})
	for name, before := range map[string]bool{"before": true, "after": false} {
		t.Run(name, func(t *testing.T) {
			h := hostAt(t, server, name)
			publish := func() {
				h.admin.exec(t, `create publication everything for all tables`)
				h.admin.exec(t, `select pg_create_logical_replication_slot($1, 'pgoutput')`, name)
			}
			if before {
				publish()
			}
			h.migrate(t)
			if !before {
				publish()
			}
			h.check(t, h.start(t))
			changes := value[int](t, h.admin, `
				select count(*)
				from pg_logical_slot_get_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', 'everything')`, name)
			if events := value[int](t, h.site, `select count(*) from tidings.events`); changes <= events {
				t.Errorf("the consumer got %d changes for %d events", changes, events)
			}
			command(t, "migrate", "--database-url", h.dsn).wants(t, 0, "")
		})
	}
}
