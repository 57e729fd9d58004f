package migrations_test

import (
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

// giveAll are default privileges that hosters of Postgres set: everything for one role.
func giveAll(role string) string {
	return `
		alter default privileges grant all on tables to ` + role + `, public;
		alter default privileges grant all on sequences to ` + role + `, public;
		alter default privileges grant all on functions to ` + role + `, public;
		alter default privileges grant all on schemas to ` + role + `, public;`
}

// foreignGrants lists the rights that roles other than the owner have in the schema.
func foreignGrants(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	return list[string](t, conn, `
		select concat_ws(' ', coalesce(grantee::regrole::text, ''), privilege_type, object)
		from (
			select nspname::text as object, nspowner as owner, coalesce(nspacl, acldefault('n', nspowner)) as acl
			from pg_namespace where nspname = 'tidings'
			union all
			select relname, relowner, coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))
			from pg_class where relnamespace = 'tidings'::regnamespace and relkind in ('r', 'S', 'v')
			union all
			select relname || '.' || attname, relowner, attacl
			from pg_attribute join pg_class on pg_class.oid = attrelid
			where relnamespace = 'tidings'::regnamespace and attacl is not null
			union all
			select proname, proowner, coalesce(proacl, acldefault('f', proowner))
			from pg_proc where pronamespace = 'tidings'::regnamespace
		) as o
		cross join lateral aclexplode(acl)
		where grantee <> owner
		order by 1`)
}

// up migrates the database again, as each start does.
func up(t *testing.T, dsn string) {
	t.Helper()
	Must(t, migrations.Up(t.Context(), dsn, silent))
}

// forges fails the test unless Postgres refuses what a role could forge or read with rights
// on our own tables and functions.
func forges(t *testing.T, app *pgx.Conn) {
	t.Helper()
	for _, sql := range []string{
		`insert into tidings.pending (topic, name, data) values ('user:ann', 'notification', '{}')`,
		`insert into tidings.commits (xact) values ('3')`,
		`insert into tidings.events values (1, 'user:ann', 'notification', '{}')`,
		`insert into tidings.counts values ('user:ann', 99, 1, 1, 1)`,
		`insert into tidings.notifications (user_id, kind, post_id, actor_id) values ('ann', 'like', 'p', 'bob')`,
		`update tidings.epochs set started_after = 0`,
		`update tidings.floor set position = 99`,
		`select from tidings.tickets`,
		`select from tidings.idempotency`,
		`do $$ begin lock table tidings.turn in exclusive mode; end $$`,
		`select nextval('tidings.positions')`,
		`select tidings.publish('post:p', 'x', '{}')`,
		`select tidings.recount()`,
		`select tidings.note_epoch()`,
		`select tidings.number('3')`,
		`create table tidings.mine ()`,
	} {
		refused(t, app, "42501", sql)
	}
}

func TestGrants_DefaultPrivilegesGiveNothing(t *testing.T) {
	t.Parallel()

	t.Run("BeforeTheFirstMigration", func(t *testing.T) {
		t.Parallel()
		admin := connect(t, storetest.Empty(t))
		name, dsn := role(t, admin)
		exec(t, admin, giveAll(name))
		up(t, admin.Config().ConnString())
		exec(t, admin, `grant usage on schema tidings to `+name)
		forges(t, connect(t, dsn))
		Want(t, "grants", foreignGrants(t, admin), []string{name + " USAGE tidings"})
	})
	t.Run("BeforeALaterMigration", func(t *testing.T) {
		t.Parallel()
		admin, _ := database(t)
		name, _ := role(t, admin)
		exec(t, admin, `grant usage on schema tidings to `+name+`; grant insert on tidings.comments to `+name+`;`+giveAll(name))
		release := made(t, map[string]string{"schema/1000_x.sql": `create table tidings.x (id bigint generated always as identity);`})
		Must(t, migrations.Apply(t.Context(), admin.Config().ConnString(), release, silent))
		Want(t, "grants", foreignGrants(t, admin), []string{name + " INSERT comments", name + " USAGE tidings"})
	})
}

// Hosters of Postgres restore without privileges: every function is then PUBLIC's, and
// default privileges apply.
func TestGrants_ARestoreWithoutPrivilegesGivesNothing(t *testing.T) {
	t.Parallel()

	conn, from := database(t)
	exec(t, conn, comment)
	admin := connect(t, storetest.Empty(t))
	name, dsn := role(t, admin)
	exec(t, admin, giveAll(name))
	file := filepath.Join(t.TempDir(), "dump")
	for _, command := range [][]string{
		{"pg_dump", "--dbname", from, "--format", "custom", "--file", file},
		{"pg_restore", "--dbname", admin.Config().ConnString(), "--no-acl", "--no-owner", "--exit-on-error", file},
	} {
		out, err := osexec.CommandContext(t.Context(), program(t, command[0]), command[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command[0], err, out)
		}
	}
	up(t, admin.Config().ConnString())
	exec(t, admin, `grant usage on schema tidings to `+name)
	forges(t, connect(t, dsn))
	Want(t, "grants", foreignGrants(t, admin), []string{name + " USAGE tidings"})
	exec(t, admin, `grant insert on tidings.comments to `+name)
	up(t, admin.Config().ConnString())
	exec(t, connect(t, dsn), comment)
}

func TestGrants_DocumentedOnesStay(t *testing.T) {
	t.Parallel()

	admin, dsn := database(t)
	name, _ := role(t, admin)
	for _, grant := range []string{
		`usage on schema tidings`,
		`select, insert, update, delete on tidings.comments, tidings.likes, tidings.posts, tidings.users`,
		`insert (post_id, parent_id, author_id, body) on tidings.comments`, `select (id) on tidings.comments`,
		`select, delete on tidings.notifications`, `update (read_at) on tidings.notifications`,
		`select on tidings.events, tidings.counts, tidings.epochs, tidings.floor, tidings.migrations`,
		`execute on function tidings.publish, tidings.recount, tidings.new_epoch`,
	} {
		exec(t, admin, `grant `+grant+` to `+name)
	}
	want := foreignGrants(t, admin)
	before := value[string](t, admin, objects)
	up(t, dsn)
	Want(t, "grants", foreignGrants(t, admin), want)
	if value[string](t, admin, objects) != before {
		t.Error("an object has changed")
	}
}

func TestGrants_OthersAreRevokedAtEachStart(t *testing.T) {
	t.Parallel()

	admin, dsn := database(t)
	name, _ := role(t, admin)
	exec(t, admin, `
		grant all on schema tidings to `+name+`, public;
		grant all on all tables in schema tidings to `+name+`;
		grant all on all tables in schema tidings to public;
		grant insert (topic, name, data), select (data) on tidings.pending to `+name+`, public;
		grant insert (body) on tidings.comments to public;
		grant all on all sequences in schema tidings to `+name+`, public;
		grant all on all functions in schema tidings to `+name+`, public`)
	up(t, dsn)
	want := []string{name + " USAGE tidings"}
	for _, table := range []string{"comments", "likes", "posts", "users"} {
		for _, privilege := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
			want = append(want, name+" "+privilege+" "+table)
		}
	}
	for _, privilege := range []string{"SELECT", "UPDATE", "DELETE"} {
		want = append(want, name+" "+privilege+" notifications")
	}
	for _, table := range []string{"counts", "epochs", "events", "floor", "log", "migrations", "revisions", "tombstones"} {
		want = append(want, name+" SELECT "+table)
	}
	for _, function := range []string{"publish", "signal", "recount", "new_epoch"} {
		want = append(want, name+" EXECUTE "+function)
	}
	got := foreignGrants(t, admin)
	slices.Sort(got)
	slices.Sort(want)
	Want(t, "grants", got, want)
}

// Roles that may pass rights on have passed them on: to PUBLIC, through another role, and on
// columns of a table that they may grant as a whole.
func TestGrants_AreRevokedFromTheNextRoleToo(t *testing.T) {
	t.Parallel()

	admin, dsn := database(t)
	name, address := role(t, admin)
	second := name + "_2"
	exec(t, admin, `create role `+second+` login`)
	next := strings.Replace(address, name+"@", second+"@", 1)
	exec(t, admin, `
		grant usage on schema tidings to `+name+` with grant option;
		grant insert on tidings.pending to `+name+` with grant option;
		grant select, update on tidings.notifications to `+name+` with grant option;
		grant insert (body) on tidings.comments to `+name+` with grant option;
		grant execute on function tidings.publish to `+name+` with grant option`)
	exec(t, connect(t, address), `
		grant usage on schema tidings to `+second+` with grant option;
		grant execute on function tidings.publish to `+second+` with grant option;
		grant insert on tidings.pending to public;
		grant insert (topic, name, data) on tidings.pending to public;
		grant select on tidings.notifications to public;
		grant update (read_at) on tidings.notifications to public;
		grant insert (body) on tidings.comments to public`)
	passOn := `
		grant usage on schema tidings to public;
		grant execute on function tidings.publish to public`
	exec(t, connect(t, next), passOn)
	up(t, dsn)
	Want(t, "grants", foreignGrants(t, admin), []string{
		name + " EXECUTE publish", name + " INSERT comments.body",
		name + " SELECT notifications", name + " UPDATE notifications", name + " USAGE tidings",
	})
	faults, err := migrations.Audit(t.Context(), dsn)
	Must(t, err)
	Want(t, "faults", len(faults), 0)

	// Two roles that have a right from each other keep it, and are named.
	exec(t, admin, `grant usage on schema tidings to `+second+`; grant `+second+` to `+name+`; grant execute on function tidings.publish to `+name+` with grant option`)
	exec(t, connect(t, address), `grant execute on function tidings.publish to `+second+` with grant option`)
	exec(t, connect(t, next), `grant execute on function tidings.publish to public`)
	up(t, dsn)
	faults, err = migrations.Audit(t.Context(), dsn)
	Must(t, err)
	Want(t, "faults", len(faults), 1)
}
