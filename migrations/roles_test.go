package migrations_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// as opens a session of a new role with the given grants, "insert on tidings.comments".
func as(t *testing.T, admin *pgx.Conn, grants ...string) *pgx.Conn {
	t.Helper()
	name, dsn := role(t, admin)
	for _, grant := range grants {
		exec(t, admin, `grant `+grant+` to `+name)
	}
	return connect(t, dsn)
}

const usage = `usage on schema tidings`

func TestRoles_InsertIsEnoughToComment(t *testing.T) {
	t.Parallel()

	for name, grant := range map[string]string{
		"OnTheTable":    `insert on tidings.comments`,
		"OnFourColumns": `insert (post_id, parent_id, author_id, body) on tidings.comments`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin, _ := database(t)
			app := as(t, admin, usage, grant)
			exec(t, app, comment)
			want := []string{"post:p new-comment", "post:p comment-count"}
			if got := since(t, admin, 0); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestRoles_ExecuteIsEnoughToPublish(t *testing.T) {
	t.Parallel()

	admin, _ := database(t)
	app := as(t, admin, usage, `execute on function tidings.publish`)
	exec(t, app, `select tidings.publish('post:p', 'x', '{}')`)
	if got, want := since(t, admin, 0), []string{"post:p x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	refused(t, app, "42501", comment)
}

func TestRoles_HaveOnlyTheGrantedRights(t *testing.T) {
	t.Parallel()

	admin, _ := database(t)
	app := as(t, admin, usage, `insert on tidings.comments`, `execute on function tidings.publish`)
	const denied = "42501"
	for _, table := range list[string](t, admin, `
		select relname from pg_class
		where relnamespace = 'tidings'::regnamespace and relkind in ('r', 'v') and relname <> 'comments'`) {
		for _, sql := range []string{
			`select from tidings.` + table, `delete from tidings.` + table, `insert into tidings.` + table + ` default values`,
			`do $$ begin lock table tidings.` + table + ` in row exclusive mode; end $$`, `truncate tidings.` + table,
		} {
			if table == "log" && strings.HasPrefix(sql, "truncate") {
				continue // a view cannot be truncated by any role
			}
			refused(t, app, denied, sql)
		}
	}
	for _, sequence := range list[string](t, admin, `
		select relname from pg_class where relnamespace = 'tidings'::regnamespace and relkind = 'S'`) {
		refused(t, app, denied, `select nextval('tidings.`+sequence+`')`)
		refused(t, app, denied, `select last_value from tidings.`+sequence)
	}
	refused(t, app, denied, `select body from tidings.comments`)
	refused(t, app, denied, `select tidings.recount()`)
	refused(t, app, denied, `select tidings.new_epoch()`)
	refused(t, app, denied, `select tidings.number('3')`)
	refused(t, app, denied, `select tidings.note_posts_and_users(array['x'], null)`)
	refused(t, app, denied, `create table tidings.mine ()`)
}

// A trigger function runs with the rights of its owner, whatever table fires it.
func TestRoles_CannotUseTheTriggerFunctionsForTheirTables(t *testing.T) {
	t.Parallel()

	admin, _ := database(t)
	app := as(t, admin, usage, `create on schema public`)
	exec(t, app, `create table commits (xact xid8, firing integer, at_commit boolean)`)
	refused(t, app, "42501", `create trigger flush after insert on commits for each row execute function tidings.flush()`)
	refused(t, app, "42501", `create trigger mark after insert on commits
		referencing new table as added for each statement execute function tidings.mark()`)
}

// Postgres gives EXECUTE on each new function to PUBLIC.
func TestRoles_PublicMayExecuteNoFunction(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	public := list[string](t, conn, `
		select p.oid::regprocedure::text
		from pg_proc p
		cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
		where p.pronamespace = 'tidings'::regnamespace and a.grantee = 0`)
	if len(public) > 0 {
		t.Errorf("PUBLIC may execute %q", public)
	}
}

// Triggers and SECURITY DEFINER functions must find the functions and operators of Postgres,
// whatever search_path the session has.
func TestRoles_TriggersAndDefinersSetTheirSearchPath(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	loose := list[string](t, conn, `
		select oid::regprocedure::text
		from pg_proc
		where pronamespace = 'tidings'::regnamespace
			and (prosecdef or prorettype = 'trigger'::regtype)
			and not coalesce('search_path=pg_catalog, tidings, pg_temp' = any (proconfig), false)`)
	if len(loose) > 0 {
		t.Errorf("these use the search_path of the session: %q", loose)
	}
}

// Row security that is forced on the owner must be an error, not rows that are missing.
func TestRoles_TriggersAndDefinersSwitchRowSecurityOff(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	loose := list[string](t, conn, `
		select oid::regprocedure::text
		from pg_proc
		where pronamespace = 'tidings'::regnamespace
			and (prosecdef or prorettype = 'trigger'::regtype)
			and not coalesce('row_security=off' = any (proconfig), false)`)
	if len(loose) > 0 {
		t.Errorf("these obey row security: %q", loose)
	}
}

// hostile creates functions, operators and tables with the names that the trigger functions
// use, in schemas that a role without rights in tidings may own.
const hostile = `
	create function public.boom() returns boolean language plpgsql as $$ begin raise exception 'hijacked'; end $$;
	create function public.same(text, text) returns boolean language sql as $$ select public.boom() $$;
	create function public.same(bigint, bigint) returns boolean language sql as $$ select public.boom() $$;
	create function public.joined(text, bigint) returns text language sql as $$ select public.boom()::text $$;
	create operator public.= (leftarg = text, rightarg = text, function = public.same);
	create operator public.<> (leftarg = text, rightarg = text, function = public.same);
	create operator public.= (leftarg = bigint, rightarg = bigint, function = public.same);
	create operator public.~ (leftarg = text, rightarg = text, function = public.same);
	create operator public.|| (leftarg = text, rightarg = bigint, function = public.joined);
	create function public.clock_timestamp() returns timestamptz language sql as $$ select public.boom()::text::timestamptz $$;
	create function public.pg_current_xact_id() returns xid8 language sql as $$ select public.boom()::text::xid8 $$;
	create function public.coalesce(text, text) returns text language sql as $$ select public.boom()::text $$;
	create function public.format(text, name) returns text language sql as $$ select public.boom()::text $$;
	create function public.octet_length(text) returns integer language sql as $$ select public.boom()::int $$;
	create temp table pending (like tidings.pending including all);
	create temp table commits (like tidings.commits including all);
	create temp table events (like tidings.events including all);
	create temp table counts (like tidings.counts including all);
	create temp table turn ();
	create temp table added (id bigint);
	create temp table before (id bigint);
	create temp table after (id bigint);
	create temp table removed (id bigint);
	create temp table gathered (id bigint);
	create temp table epochs (epoch bigint);
	set search_path = pg_temp, public, pg_catalog;`

func TestRoles_ObjectsOfTheSameNameChangeNothing(t *testing.T) {
	t.Parallel()

	const work = `
		insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'x'), (2, 'p', 'bob', 'x');
		insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'bob'), ('p', 1, 'bob');
		select tidings.publish('post:p', 'x', '{"a": 1}');
		update tidings.comments set body = 'y' where id operator(pg_catalog.=) 1;
		delete from tidings.likes;
		delete from tidings.comments where id operator(pg_catalog.=) 2;
		delete from tidings.posts;`
	plain, _ := database(t)
	exec(t, plain, `begin; `+work)
	exec(t, plain, `commit`)
	want := since(t, plain, 0)

	conn, dsn := database(t)
	exec(t, conn, hostile)
	exec(t, conn, `begin; `+work)
	exec(t, conn, `commit`)
	refused(t, conn, "23000", comment+`; insert into tidings.likes (post_id, user_id) values ('p', 'ann'); update tidings.likes set user_id = 'eve'`)
	refused(t, conn, "0A000", `truncate tidings.comments cascade`)
	other := connect(t, dsn)
	if got := since(t, other, 0); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	leavesNothing(t, other)
}

// Settings that any role may change and that could change the meaning of SQL.
func TestRoles_SettingsChangeNothing(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	run := func(t *testing.T, setting string) []string {
		conn := connect(t, db.again(t).Config().ConnString()) // which has compiled no function yet
		exec(t, conn, `set `+setting)
		exec(t, conn, `begin;
			insert into tidings.posts (id, author_id) values ('p', 'pia');
			insert into tidings.comments (id, post_id, author_id, body, created_at)
			values (1, 'p', 'ann', 'x', '2026-01-02 03:04:05.678901Z');
			insert into tidings.likes (post_id, user_id) values ('p', 'bob');
			update tidings.comments set status = 'pending';
			delete from tidings.posts;
			select tidings.publish('post:p', 'x', '{"a": 0.1}')`)
		exec(t, conn, `commit`)
		return list[string](t, conn, `
			select topic || ' ' || name || ' ' || case when name in ('notification', 'post-updated') then data - 'createdAt' else data end
			from tidings.log
			order by position`)
	}
	want := run(t, `application_name = 'plain'`)
	for _, setting := range []string{
		`plpgsql.extra_errors = 'all'`, `standard_conforming_strings = off`, `transform_null_equals = on`, `row_security = off`,
		`timezone = 'Asia/Kathmandu'`, `datestyle = 'German'`, `intervalstyle = 'sql_standard'`, `extra_float_digits = -15`,
		`quote_all_identifiers = on`, `array_nulls = off`, `bytea_output = 'escape'`, `xmloption = 'document'`,
		`enable_indexscan = off`, `enable_nestloop = off`, `plan_cache_mode = 'force_custom_plan'`, `jit_above_cost = 0`,
		`default_transaction_isolation = 'serializable'`, `default_transaction_deferrable = on`, `from_collapse_limit = 1`,
	} {
		t.Run(setting, func(t *testing.T) {
			if got := run(t, setting); !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
		})
	}
}

func TestRoles_ExecuteIsEnoughToSignal(t *testing.T) {
	t.Parallel()

	admin, _ := database(t)
	app := as(t, admin, usage, `execute on function tidings.signal`)
	for _, topic := range []string{"post:p", "team:7"} {
		exec(t, app, `select tidings.signal($1, 'x', '{}')`, topic)
	}
	const denied = "42501"
	refused(t, app, denied, `select tidings.signed('{}')`)
	refused(t, app, denied, `select from tidings.signals`)
	refused(t, app, denied, `select tidings.publish('post:p', 'x', '{}')`)
	if got := since(t, admin, 0); len(got) != 0 {
		t.Errorf("the log has %q", got)
	}
}

// A role that may read the log does not read hidden comments there: that needs rights on comments.
func TestRoles_TheLogHasNoHiddenText(t *testing.T) {
	t.Parallel()

	admin, _ := database(t)
	app := as(t, admin, usage, `select on tidings.log`)
	exec(t, admin, `insert into tidings.comments (id, post_id, author_id, body, status) values
		(1, 'p', 'ann', 'shown text', 'published'), (2, 'p', 'ann', 'held text', 'pending'), (3, 'p', 'ann', 'spam text', 'spam')`)
	exec(t, admin, `update tidings.comments set status = 'spam' where id = 1; update tidings.comments set status = 'published' where id = 3`)
	got := list[string](t, app, `
		select distinct concat_ws(' ', name, coalesce(data -> 'comment', data) ->> 'id', coalesce(data -> 'comment', data) ->> 'body')
		from tidings.log
		where data::text like '%body%'
		order by 1`)
	want := []string{"moderation 1 ", "moderation 2 ", "moderation 3 spam text", "new-comment 1 ", "new-comment 3 spam text"}
	if !slices.Equal(got, want) {
		t.Errorf("the log shows %q, want %q", got, want)
	}
	for _, table := range []string{"comments", "revisions", "events"} {
		refused(t, app, "42501", `select from tidings.`+table)
	}
}
