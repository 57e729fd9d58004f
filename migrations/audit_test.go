package migrations_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

// audit returns the lines that mend the faults of a database.
func audit(t *testing.T, dsn string) (mends []string) {
	t.Helper()
	faults, err := migrations.Audit(t.Context(), dsn)
	Must(t, err)
	for _, f := range faults {
		if f.Text == "" || f.Mend == "" {
			t.Errorf("a fault is incomplete: %+v", f)
		}
		mends = append(mends, f.Mend)
	}
	return mends
}

func TestAudit_FindsNothingInANewDatabase(t *testing.T) {
	t.Parallel()
	Want(t, "the faults", len(audit(t, storetest.Database(t))), 0)
	Want(t, "the faults of an empty database", len(audit(t, storetest.Empty(t))), 0)
}

// What a site may do is no fault: triggers, documented grants, a table and a function of its own.
func TestAudit_AllowsTheSite(t *testing.T) {
	t.Parallel()
	conn, dsn := database(t)
	name, _ := role(t, conn)
	exec(t, conn, strings.ReplaceAll(`
		grant usage on schema tidings to ROLE;
		grant select, insert, update, delete on tidings.comments, tidings.likes to ROLE;
		grant execute on function tidings.publish to ROLE;
		create table tidings.words (word text);
		create function tidings.moderate() returns trigger language plpgsql as 'begin return new; end';
		revoke execute on function tidings.moderate from public;
		create trigger moderate before insert on tidings.comments for each row execute function tidings.moderate()`, "ROLE", name))
	Want(t, "the faults", strings.Join(audit(t, dsn), "; "), "")
}

// Each fault is named, with a line that mends it, to the owner and to a role without rights.
func TestAudit_NamesEachFaultAndItsMendingLine(t *testing.T) {
	t.Parallel()
	conn, dsn := database(t)
	name, asRole := role(t, conn)
	faults := []struct{ plant, mend string }{
		{`grant create on schema tidings to ROLE`, `revoke CREATE on schema tidings from ROLE cascade`},
		{`grant insert on tidings.events to ROLE`, `revoke INSERT on table tidings.events from ROLE cascade`},
		{`grant update (data) on tidings.events to ROLE`, `revoke UPDATE (data) on table tidings.events from ROLE cascade`},
		{`grant trigger on tidings.comments to ROLE`, `revoke TRIGGER on table tidings.comments from ROLE cascade`},
		{`grant usage on sequence tidings.positions to ROLE`, `revoke USAGE on sequence tidings.positions from ROLE cascade`},
		{`grant execute on function tidings.number to public`, `revoke EXECUTE on routine tidings.number(xid8) from public cascade`},
		{
			`create function tidings.publish(topic text, name text, data json) returns bigint language sql as 'select 0::bigint';
			revoke execute on function tidings.publish(text, text, json) from public`,
			`drop routine tidings.publish(text,text,json)`,
		},
		{
			`create procedure tidings.flush(int) language sql as 'select'; revoke execute on procedure tidings.flush from public`,
			`drop routine tidings.flush(integer)`,
		},
		{
			`create function tidings.now(int) returns int language sql as 'select 1'; revoke execute on function tidings.now from public`,
			`drop routine tidings.now(integer)`,
		},
		{`create operator tidings.|| (leftarg = text, rightarg = int, function = pg_catalog.left)`, `drop operator tidings.||(text,integer)`},
		{`create rule nothing as on insert to tidings.likes do instead nothing`, `drop rule nothing on tidings.likes`},
		{`create table public.more () inherits (tidings.users)`, `alter table public.more no inherit tidings.users`},
		{`alter table tidings.floor owner to ROLE`, `alter table tidings.floor owner to tidings`},
		{`alter function tidings.head owner to ROLE`, `alter routine tidings.head() owner to tidings`},
		{
			`alter table tidings.revisions rename to kept; create view tidings.revisions as select * from tidings.kept`,
			`restore the table from a backup`,
		},
		{`alter table tidings.posts disable trigger all`, `alter table tidings.posts enable trigger changed_update`},
		{`alter table tidings.pending enable trigger mark`, `alter table tidings.pending enable always trigger mark`},
		{
			`drop trigger deleted on tidings.likes`,
			`create trigger deleted after delete on tidings.likes referencing old table as removed for each statement execute function tidings.likes_deleted()`,
		},
	}
	for i := range faults {
		faults[i].plant = strings.ReplaceAll(faults[i].plant, "ROLE", name)
		faults[i].mend = strings.ReplaceAll(faults[i].mend, "ROLE", name)
		exec(t, conn, faults[i].plant)
	}
	for _, d := range []string{dsn, asRole} {
		mends := audit(t, d)
		for _, c := range faults {
			if !slices.Contains(mends, c.mend) {
				t.Errorf("%s: %q, want %q", c.plant, mends, c.mend)
			}
		}
	}
	for _, c := range faults {
		if !strings.HasPrefix(c.mend, "restore") {
			exec(t, conn, c.mend)
		}
	}
	mends := audit(t, dsn)
	for _, c := range faults {
		if !strings.HasPrefix(c.mend, "restore") && slices.Contains(mends, c.mend) {
			t.Errorf("%s does not mend it", c.mend)
		}
	}
}
