package migrations

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A grantable is an object of the schema on which a site may grant rights to its roles.
type grantable struct {
	object     string // the schema, a table, or a function with ()
	privileges string // as aclexplode names them, separated by spaces
}

// grantables are all rights that a site may grant. Each other right of a role other than
// the owner is revoked at each start, and so is each right of PUBLIC: it could forge
// events, or read what is private. Such rights come from ALTER DEFAULT PRIVILEGES, from a
// restore with --no-acl (every role may then execute every function), and from GRANT … ON
// ALL TABLES IN SCHEMA.
//
// TRIGGER, REFERENCES and TRUNCATE are never grantable: a trigger runs with the rights of
// the role that writes, which may be the owner, and a foreign key stops deletes.
var grantables = []grantable{
	{"tidings", "USAGE"},
	{"users", "SELECT INSERT UPDATE DELETE"},
	{"posts", "SELECT INSERT UPDATE DELETE"},
	{"comments", "SELECT INSERT UPDATE DELETE"},
	{"likes", "SELECT INSERT UPDATE DELETE"},
	{"notifications", "SELECT UPDATE DELETE"}, // an INSERT would notify any user of anything
	{"counts", "SELECT"},
	{"events", "SELECT"},
	{"log", "SELECT"},
	{"tombstones", "SELECT"},
	{"revisions", "SELECT"},
	{"floor", "SELECT"},
	{"epochs", "SELECT"},
	{"migrations", "SELECT"},
	{"publish()", "EXECUTE"},
	{"signal()", "EXECUTE"},
	{"recount()", "EXECUTE"},
	{"new_epoch()", "EXECUTE"},
}

// grants are the rights of other roles in a database.
type grants struct {
	due      bool     // something is to be done
	revoke   []string // REVOKE statements
	identify []string // statements that give tables their replica identity
	place    string   // a hash of the cluster and the table events
}

// readGrants returns what is to be done about grants. settledAt is the place where they
// were made right last: in another place, all objects were restored from a dump, perhaps
// with other rights.
func readGrants(ctx context.Context, conn *pgx.Conn, settledAt string) (g grants, err error) {
	var owner bool
	err = conn.QueryRow(ctx, `
		select
			encode(sha256(convert_to(concat_ws(' ',
				(pg_control_system()).system_identifier, to_regclass('tidings.events')::oid
			), 'UTF8')), 'hex'),
			pg_has_role(relowner, 'usage')
		from pg_class
		where oid = to_regclass('tidings.migrations')`).Scan(&g.place, &owner)
	if err != nil {
		return g, err
	}
	var settled []uint32 // nil: all objects
	restored := g.place != settledAt && owner
	if restored {
		settled = []uint32{}
	}
	if g.revoke, err = excessGrants(ctx, conn, settled, false); err != nil {
		return g, err
	}
	g.identify, err = missingIdentities(ctx, conn)
	g.due = restored || len(g.revoke)+len(g.identify) > 0
	return g, err
}

// missingIdentities returns the statements that give tables of the schema a replica identity:
// the primary key, or the whole row of a table without one. If a publication has a table
// without an identity, Postgres refuses each UPDATE and DELETE there (SQLSTATE 55000). Programs that
// copy data change the identities of all tables of a database.
func missingIdentities(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, _ := conn.Query(ctx, `
		select format('alter table tidings.%I replica identity %s', relname, case when keyed then 'default' else 'full' end)
		from pg_class
		cross join lateral (
			select
				exists (select from pg_index where indrelid = pg_class.oid and indisprimary) as keyed,
				exists (select from pg_index where indrelid = pg_class.oid and indisreplident) as chosen
		) as key
		where relnamespace = to_regnamespace('tidings')
			and relkind in ('r', 'p')
			and pg_has_role(relowner, 'usage')
			and not case relreplident when 'f' then true when 'd' then keyed when 'i' then chosen else false end
		order by 1`)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// excessGrants returns the REVOKE statements that remove the rights that no role should
// have on the objects of the schema: all of them, or those that the session may remove.
//
// settled are the objects whose grants were right once. On each other object, rights that
// equal the owner's default privileges are in excess as well, even if they are grantable:
// they were not granted for this object. Nil means that all objects are settled.
//
// A role with the grant option may have passed a right on. Only that role, or the loss of its
// grant option, can remove such a right. A grant option on a table also serves for grants on
// its columns, which stay when the option is lost: for these, the option is granted on the
// column and then revoked. Postgres keeps the rights of two roles that pass one on to each
// other: of a member and its group. They stay in the result.
func excessGrants(ctx context.Context, conn querier, settled []uint32, all bool) ([]string, error) {
	var names, privileges []string
	for _, g := range grantables {
		for privilege := range strings.FieldsSeq(g.privileges) {
			names, privileges = append(names, g.object), append(privileges, privilege)
		}
	}
	rows, _ := conn.Query(ctx, `
		with object as (
			select oid, nspowner as owner, nspname::text as name, 'schema tidings' as target, '' as part,
				'n' as kind, coalesce(nspacl, acldefault('n', nspowner)) as acl
			from pg_namespace
			where nspname = 'tidings'
			union all
			select oid, relowner, relname::text,
				case relkind when 'S' then 'sequence ' else 'table ' end || format('tidings.%I', relname), '',
				case relkind when 'S' then 'S' else 'r' end,
				coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))
			from pg_class
			where relnamespace = to_regnamespace('tidings') and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
			union all
			select pg_class.oid, relowner, relname::text, format('table tidings.%I', relname), format(' (%I)', attname), 'c', attacl
			from pg_attribute
			join pg_class on pg_class.oid = attrelid
			where relnamespace = to_regnamespace('tidings') and attacl is not null and not attisdropped
			union all
			select oid, proowner, proname || '()', 'routine ' || oid::regprocedure::text, '', 'f', coalesce(proacl, acldefault('f', proowner))
			from pg_proc
			where pronamespace = to_regnamespace('tidings')
		),
		entry as (
			select
				target, part, privilege_type as privilege, grantor, grantee, grantor = owner as by_owner,
				case grantee when 0 then 'public' else grantee::regrole::text end as role,
				grantee = 0
				or not exists (
					select
					from unnest($1::text[], $2::text[]) as allowed (name, privilege)
					where allowed.name = object.name and allowed.privilege = privilege_type
				)
				or grantor = owner and oid <> all ($3::oid[]) and exists (
					select
					from pg_default_acl
					cross join lateral aclexplode(defaclacl) as initial
					where defaclrole = owner
						and defaclnamespace in (0, to_regnamespace('tidings'))
						and defaclobjtype = kind::"char"
						and initial.grantee = entry.grantee
						and initial.privilege_type = entry.privilege_type
				) as excess
			from object
			cross join lateral aclexplode(acl) as entry
			where grantee <> owner and ($4 or pg_has_role(owner, 'usage'))
		)
		select distinct case
			when by_owner then format('revoke %s%s on %s from %s cascade', privilege, part, target, role)
			when given then format('revoke grant option for %s%s on %s from %s cascade', privilege, part, target, grantor::regrole)
			else format('grant %1$s%2$s on %3$s to %4$s with grant option; revoke %1$s%2$s on %3$s from %4$s cascade',
				privilege, part, target, grantor::regrole)
		end
		from (
			select
				*,
				bool_or(excess and not by_owner) over same as passed_on,
				grantor = any (array_agg(grantee) filter (where by_owner) over same) as given
			from entry
			window same as (partition by target, part, privilege)
		) as e
		where by_owner and excess or not by_owner and passed_on and (given or part <> '')
		order by 1`, names, privileges, settled, all)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// A querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// objects returns the objects of the schema that have grants.
func objects(ctx context.Context, conn *pgx.Conn) ([]uint32, error) {
	rows, _ := conn.Query(ctx, `
		select oid from pg_namespace where nspname = 'tidings'
		union all
		select oid from pg_class where relnamespace = to_regnamespace('tidings')
		union all
		select oid from pg_proc where pronamespace = to_regnamespace('tidings')`)
	return pgx.CollectRows(rows, pgx.RowTo[uint32])
}

// runAll runs statements.
func runAll(ctx context.Context, tx pgx.Tx, statements []string) error {
	_, err := tx.Exec(ctx, strings.Join(statements, "; "))
	return err
}
