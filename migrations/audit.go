package migrations

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/session"
)

// A Fault is what another role could use to forge events, what changes the effect of a statement
// of Tidings, or a trigger of Tidings that does not fire.
type Fault struct {
	Text string
	Mend string // the statement that removes it
}

// Audit looks for rights that no role should have on the schema, and for objects in it that are
// not of Tidings and that calls or statements of Tidings may reach: by another signature of one of
// its functions, or by the name of a function or operator of Postgres, which functions of the
// schema use without a schema. It also looks for triggers of Tidings that are missing or disabled,
// as an interrupted pg_restore --disable-triggers leaves them: their tables would change without
// events. Triggers of the site on its tables are no faults. Audit changes nothing, each role may
// call it, and the DSN may lead to a pooler. Without a schema there are no faults.
func Audit(ctx context.Context, dsn string) ([]Fault, error) {
	r, err := load(files)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	cfg, err := session.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("parse DSN: %w", err)
	}
	session.PinPooled(cfg, "tidings check")
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("audit the schema: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var faults []Fault
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		// Without the schema tidings in search_path, it is in the names of its objects.
		for _, sql := range []string{session.Local, `set local search_path = pg_catalog`} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		faults, err = r.audit(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("audit the schema: %w", err)
	}
	return faults, nil
}

func (r release) audit(ctx context.Context, tx pgx.Tx) (faults []Fault, err error) {
	revokes, err := excessGrants(ctx, tx, nil, true)
	if err != nil {
		return nil, err
	}
	for _, revoke := range revokes {
		faults = append(faults, Fault{"a role has a right that Tidings does not grant: it may forge events, or read what is private", revoke})
	}
	names, signatures := r.routines()
	tables, kinds := r.relations()
	triggers := r.triggers()
	for _, a := range []struct {
		sql  string
		args []any
	}{
		{auditRoutines, []any{names, signatures}},
		{auditOperators, nil},
		{auditRelations, []any{tables, kinds}},
		{auditOwners, []any{names, tables}},
		{auditTriggers, []any{triggers.tables, triggers.names, triggers.always, triggers.create}},
	} {
		rows, _ := tx.Query(ctx, a.sql, a.args...)
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Fault])
		if err != nil {
			return nil, err
		}
		faults = append(faults, found...)
	}
	return faults, nil
}

const (
	// auditRoutines finds routines with a name of ours and another signature, and those with the
	// name of a routine of Postgres: the one whose types fit best is called.
	auditRoutines = `
		select format('%s is not of Tidings, and calls may reach it', oid::regprocedure),
			format('drop routine %s', oid::regprocedure)
		from pg_proc
		where pronamespace = to_regnamespace('tidings')
			and (proname = any ($1::text[])
				or proname in (select proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace))
			and oid::regprocedure::text <> all ($2::text[])
		order by 1`

	auditOperators = `
		select format('the operator %s is not of Tidings, and its functions may use it', oid::regoperator),
			format('drop operator %s', oid::regoperator)
		from pg_operator
		where oprnamespace = to_regnamespace('tidings')
		order by 1`

	// auditRelations finds other relations in the place of our tables and views, and what makes
	// statements on ours do something else.
	auditRelations = `
		with ours as (
			select c.oid, relkind, kind
			from unnest($1::text[], $2::text[]) as expected (name, kind)
			join pg_class c on relname = name and relnamespace = to_regnamespace('tidings')
		)
		select format('%s is not the table or view of Tidings', oid::regclass),
			'restore the table from a backup'
		from ours
		where relkind::text <> kind
		union all
		select format('the rule %I on %s changes what statements do', rulename, ev_class::regclass),
			format('drop rule %I on %s', rulename, ev_class::regclass)
		from pg_rewrite
		join ours on ours.oid = ev_class
		where relkind = 'r'
		union all
		select format('%s inherits from %s: its rows are read as those of Tidings', inhrelid::regclass, inhparent::regclass),
			format('alter table %s no inherit %s', inhrelid::regclass, inhparent::regclass)
		from pg_inherits
		join ours on ours.oid = inhparent
		order by 1`

	// auditOwners finds objects of ours that another role owns, which may replace them.
	auditOwners = `
		with owner as (
			select relowner as id
			from pg_class
			where relnamespace = to_regnamespace('tidings') and relname = 'migrations'
		)
		select format('%s has another owner than the other objects of Tidings', name), format('alter %s %s owner to %s', kind, name, id::regrole)
		from owner
		cross join lateral (
			select 'routine' as kind, oid::regprocedure::text as name
			from pg_proc
			where pronamespace = to_regnamespace('tidings') and proname = any ($1::text[]) and proowner <> id
			union all
			select 'table', oid::regclass::text
			from pg_class
			where relnamespace = to_regnamespace('tidings') and relname = any ($2::text[]) and relowner <> id
		) as others
		order by 1`

	// auditTriggers finds our triggers that do not fire, in any session or, for those that always
	// do, with session_replication_role = replica.
	auditTriggers = `
		select format('the trigger %I on tidings.%I is %s: changes of the table are made without events', ours.name, "table",
				case when tgname is null then 'missing' else 'disabled' end),
			case when tgname is null then "create"
				else format('alter table tidings.%I enable %strigger %I', "table", case when always then 'always ' end, ours.name) end
		from unnest($1::text[], $2::text[], $3::boolean[], $4::text[]) as ours ("table", name, always, "create")
		join pg_class on relname = "table" and relnamespace = to_regnamespace('tidings')
		left join pg_trigger on tgrelid = pg_class.oid and tgname = ours.name and not tgisinternal
		where tgname is null
			or tgenabled in ('D', 'R')
			or always and tgenabled <> 'A'
		order by 1`
)

// listed are triggers, with one list for each of their properties.
type listed struct {
	tables, names []string
	always        []bool
	create        []string
}

// triggers returns the triggers of the release.
func (r release) triggers() (l listed) {
	for _, f := range r.functions {
		for _, t := range f.triggers {
			l.tables, l.names = append(l.tables, t.table), append(l.names, t.name)
			l.always, l.create = append(l.always, t.always), append(l.create, t.create)
		}
	}
	return l
}

// routines returns the names and the signatures of the functions, as regprocedure shows them.
func (r release) routines() (names, signatures []string) {
	for _, f := range r.functions {
		names, signatures = append(names, f.name), append(signatures, signature(f.create))
	}
	return names, signatures
}

var (
	parameters = regexp.MustCompile(`(?is)create or replace function (tidings\.\w+)\((.*?)\)\s*(?:returns|language)`)
	defaultOf  = regexp.MustCompile(`(?i) default .*$`)
)

// longNames are the names of types that Postgres shows instead of those in the files.
var longNames = map[string]string{"timestamptz": "timestamp with time zone", "int": "integer"}

// signature returns the name and the types of the parameters of a function.
func signature(create string) string {
	m := parameters.FindStringSubmatch(create)
	if m == nil {
		return ""
	}
	var types []string
	for parameter := range strings.SplitSeq(m[2], ",") {
		words := strings.Fields(defaultOf.ReplaceAllString(strings.TrimSpace(parameter), ""))
		if len(words) > 1 && words[0] != "out" {
			name := strings.Join(words[1:], " ")
			types = append(types, cmp.Or(longNames[name], name))
		}
	}
	return m[1] + "(" + strings.Join(types, ",") + ")"
}

var created = regexp.MustCompile(`(?m)^create (?:or replace |unlogged )?(table|view) (?:if not exists )?tidings\.(\w+)`)

// relations returns the names of the tables and views, and their kinds as in pg_class.
func (r release) relations() (names, kinds []string) {
	for _, f := range r.files {
		for _, m := range created.FindAllStringSubmatch(f.sql, -1) {
			names, kinds = append(names, m[2]), append(kinds, map[string]string{"table": "r", "view": "v"}[m[1]])
		}
	}
	return names, kinds
}
