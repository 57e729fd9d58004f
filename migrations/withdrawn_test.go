package migrations_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	. "github.com/tidings-live/tidings/stream/streamtest"
)

// inbox describes the notifications of all users: "user kind actor comment id read".
func inbox(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	return list[string](t, conn, `
		select concat_ws(' ', user_id, kind, actor_id, coalesce(comment_id::text, '-'), id, case when read_at is not null then 'read' end)
		from tidings.notifications
		order by id`)
}

// told lists the events notification after a position: "user unread" and what they say.
func told(t *testing.T, conn *pgx.Conn, position int64) []string {
	t.Helper()
	return list[string](t, conn, `
		select concat_ws(' ', substr(topic, 6), data ->> 'unread', 'new ' || (data ->> 'id'),
			case when data ? 'read' then 'read ' || (data -> 'read')::text end,
			case when data ? 'withdrawn' then 'withdrawn ' || (data -> 'withdrawn')::text end)
		from tidings.events
		where name = 'notification' and position > $1
		order by position`, position)
}

// A step is SQL, and what the inbox and the events are after it.
type step struct {
	sql         string
	inbox, told []string
}

// walk makes one step after another. Each must leave unread as it is in the table.
func walk(t *testing.T, conn *pgx.Conn, steps []step) {
	t.Helper()
	exec(t, conn, setting)
	for i, s := range steps {
		before := head(t, conn)
		exec(t, conn, s.sql)
		Want(t, fmt.Sprintf("the inbox after step %d", i), inbox(t, conn), s.inbox)
		Want(t, fmt.Sprintf("the events of step %d", i), told(t, conn, before), s.told)
		countsAreRight(t, conn)
		Want(t, "repaired", value[int](t, conn, `select tidings.recount()`), 0)
	}
	leavesNothing(t, conn)
}

func TestNotifications_EveryWriteReachesUnread(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	const likes = `insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'cy'), ('p', 1, 'cy'), ('p', null, 'dee')`
	three := []string{"pia like cy - 1", "ann like cy 1 2", "pia like dee - 3"}
	begin := step{likes, three, []string{"ann 1 new 2", "pia 1 new 3"}}
	for name, steps := range map[string][]step{
		"ReadAndUnread": {
			begin,
			{`update tidings.notifications set read_at = now()`, []string{three[0] + " read", three[1] + " read", three[2] + " read"},
				[]string{`ann 0 read ["2"]`, `pia 0 read ["3"]`}},
			{`update tidings.notifications set read_at = read_at`, []string{three[0] + " read", three[1] + " read", three[2] + " read"}, []string{}},
			{`update tidings.notifications set read_at = '2026-01-02Z' where id > 1`, []string{three[0] + " read", three[1] + " read", three[2] + " read"},
				[]string{`ann 0 read ["2"]`, `pia 0 read ["3"]`}},
			{`update tidings.notifications set read_at = null where id = 1`, []string{three[0], three[1] + " read", three[2] + " read"},
				[]string{"pia 1 new 3"}},
			{`update tidings.notifications set read_at = null where id = 2`, []string{three[0], three[1], three[2] + " read"},
				[]string{"ann 1 new 2"}},
			{`update tidings.notifications set created_at = created_at - interval '1 hour' where id > 1`, []string{three[0], three[1], three[2] + " read"},
				[]string{"ann 1 new 2", "pia 1 new 3"}},
		},
		"Deleted": {
			begin,
			{`update tidings.notifications set read_at = now() where id = 1`, []string{three[0] + " read", three[1], three[2]}, []string{"pia 1 new 3"}},
			{`delete from tidings.notifications where id = 3`, []string{three[0] + " read", three[1]}, []string{"pia 0 new 1"}},
			{`delete from tidings.notifications where user_id = 'pia'`, three[1:2], []string{`pia 0 withdrawn ["1"]`}},
		},
		"Inserted": {
			{`insert into tidings.notifications (user_id, kind, post_id, actor_id, read_at) values ('ann', 'follow', 'p', 'bob', null), ('ann', 'follow', 'p', 'cy', now())`,
				[]string{"ann follow bob - 1", "ann follow cy - 2 read"}, []string{"ann 1 new 1", "ann 1 new 2"}},
		},
		"Merged": {
			begin,
			{`merge into tidings.notifications n using (values (1), (3)) as v (id) on n.id = v.id
				when matched and n.id = 1 then update set read_at = now() when matched then delete`,
				[]string{three[0] + " read", three[1]}, []string{"pia 0 new 1"}},
		},
		"AllInOneTransaction": {
			begin,
			{`update tidings.notifications set read_at = now() where id = 3; delete from tidings.notifications where id = 1;
				insert into tidings.likes (post_id, user_id) values ('p', 'eve'), ('p', 'fay');
				update tidings.notifications set read_at = now() where actor_id = 'fay'`,
				[]string{three[1], three[2] + " read", "pia like eve - 4", "pia like fay - 5 read"},
				[]string{"pia 1 new 5"}},
		},
		"InsertedAndDeletedInOneTransaction": {
			{likes + `; delete from tidings.notifications`, []string{}, []string{}},
		},
	} {
		t.Run(name, func(t *testing.T) { walk(t, db.again(t), steps) })
	}
	t.Run("MoreThanAHundred", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, setting)
		exec(t, conn, `insert into tidings.likes (post_id, user_id) select 'p', 'u' || n from generate_series(1, 101) n`)
		before := head(t, conn)
		exec(t, conn, `update tidings.notifications set read_at = now()`)
		Want(t, "the events", told(t, conn, before), []string{"pia 0 read null"})
	})
	t.Run("ARecount", func(t *testing.T) {
		t.Parallel()
		conn, _ := database(t)
		exec(t, conn, setting+likes)
		exec(t, conn, `alter table tidings.notifications disable trigger updated; update tidings.notifications set read_at = now()`)
		before := head(t, conn)
		Want(t, "repaired", value[int](t, conn, `select tidings.recount()`), 2)
		Want(t, "the events", told(t, conn, before), []string{"ann 0 read null", "pia 0 read null"})
		countsAreRight(t, conn)
	})
	t.Run("ButTheRowKeepsItsUser", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, setting+likes)
		for _, column := range []string{"id = default", "user_id = 'eve'", "kind = 'x'", "post_id = 'q'", "comment_id = 9", "actor_id = 'eve'"} {
			refused(t, conn, "23000", `update tidings.notifications set `+column)
		}
	})
	// Each role may have a trigger on a temporary table.
	t.Run("ATriggerOfARoleChangesNoActor", func(t *testing.T) {
		t.Parallel()
		admin, _ := database(t)
		exec(t, admin, setting+likes+`; `+comment)
		name, dsn := role(t, admin)
		exec(t, admin, `grant usage on schema tidings to `+name+`; grant select, update on tidings.notifications to `+name)
		app := connect(t, dsn)
		exec(t, app, `
			create temporary table mine (kind text);
			create function pg_temp.forge() returns trigger
			language plpgsql
			as $$
			begin
				update tidings.notifications set actor_id = 'eve' where kind = new.kind;
				return null;
			end
			$$;
			create trigger forge after insert on mine for each row execute function pg_temp.forge()`)
		for _, kind := range list[string](t, admin, `select distinct kind from tidings.notifications order by kind`) {
			refused(t, app, "23000", `insert into mine values ('`+kind+`')`)
		}
	})
}

func TestNotifications_AreWithdrawnWithWhatIsHidden(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	const status = `update tidings.comments set status = `
	both := []string{"ann reply bob 2 1", "pia comment bob 2 2"}
	approve := step{status + `'published' where id = 2`, both, []string{"ann 1 new 1", "pia 1 new 2"}}
	gone := []string{`ann 0 withdrawn ["1"]`, `pia 0 withdrawn ["2"]`}
	for name, steps := range map[string][]step{
		"AndRestoredOnce": {
			approve,
			{status + `'spam' where id = 2`, []string{}, gone},
			{status + `'published' where id = 2`, both, []string{"ann 1 new 1", "pia 1 new 2"}},
			{`update tidings.notifications set read_at = now() where user_id = 'ann'`, []string{both[0] + " read", both[1]}, []string{`ann 0 read ["1"]`}},
			{status + `'pending' where id = 2`, []string{}, []string{gone[0], gone[1]}},
			{status + `'rejected' where id = 2`, []string{}, []string{}},
			{status + `'published' where id = 2`, []string{both[0] + " read", both[1]}, []string{"ann 0 new 1", "pia 1 new 2"}},
			{status + `'deleted' where id = 2`, []string{}, gone},
			{`delete from tidings.comments where id = 2`, []string{}, []string{}},
		},
		"HiddenAndShownInOneTransaction": {
			approve,
			{status + `'spam' where id = 2;` + status + `'published' where id = 2`, both, []string{}},
			{status + `'spam' where id = 2; update tidings.comments set author_id = 'cy' where id = 2;` + status + `'published' where id = 2`,
				[]string{"ann reply cy 2 1", "pia comment cy 2 2"}, []string{"ann 1 new 1", "pia 1 new 2"}},
		},
		"ADeletedRow": {approve, {`delete from tidings.comments where id = 2`, []string{}, gone}},
		"ADeletedPost": {
			approve,
			{`insert into tidings.likes (post_id, user_id) values ('p', 'cy')`, append(both[:2:2], "pia like cy - 3"), []string{"pia 2 new 3"}},
			{`delete from tidings.posts`, []string{}, []string{`ann 0 withdrawn ["1"]`, `pia 0 withdrawn ["2", "3"]`}},
		},
		"ALikeThatIsRemoved": {
			{`insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'cy'), ('p', 1, 'cy')`,
				[]string{"pia like cy - 1", "ann like cy 1 2"}, []string{"pia 1 new 1", "ann 1 new 2"}},
			{`delete from tidings.likes where comment_id is null`, []string{"ann like cy 1 2"}, []string{`pia 0 withdrawn ["1"]`}},
			{`delete from tidings.likes`, []string{}, []string{`ann 0 withdrawn ["2"]`}},
			{`insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'cy'), ('p', 1, 'cy')`,
				[]string{"pia like cy - 1", "ann like cy 1 2"}, []string{"pia 1 new 1", "ann 1 new 2"}},
		},
	} {
		t.Run(name, func(t *testing.T) { walk(t, db.again(t), steps) })
	}
	t.Run("AnotherAuthor", func(t *testing.T) {
		walk(t, db.again(t), []step{
			{`insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'cy'), ('p', 1, 'cy'), ('p', null, 'dee')`,
				[]string{"pia like cy - 1", "ann like cy 1 2", "pia like dee - 3"}, []string{"ann 1 new 2", "pia 1 new 3"}},
			{`update tidings.comments set author_id = 'bob' where id = 1`,
				[]string{"pia like cy - 1", "pia like dee - 3"}, []string{`ann 0 withdrawn ["2"]`}},
			{`insert into tidings.likes (post_id, comment_id, user_id) values ('p', 1, 'eve')`,
				[]string{"pia like cy - 1", "pia like dee - 3", "bob like eve 1 4"}, []string{"bob 1 new 4"}},
			{`delete from tidings.likes where post_id = 'p' and user_id = 'dee'; update tidings.comments set author_id = 'ann' where id = 1`,
				[]string{"pia like cy - 1", "ann like cy 1 2"}, []string{`bob 0 withdrawn ["4"]`, "pia 1 new 1", "ann 1 new 2"}},
			{status + `'spam' where id = 1`, []string{"pia like cy - 1"}, []string{`ann 0 withdrawn ["2"]`}},
			{`update tidings.comments set author_id = 'bob' where id = 1`, []string{"pia like cy - 1"}, []string{}},
			{`insert into tidings.posts (id, author_id) values ('q', 'pia'); insert into tidings.likes (post_id, user_id) values ('q', 'cy')`,
				[]string{"pia like cy - 1", "pia like cy - 5"}, []string{"pia 2 new 5"}},
			{`update tidings.posts set author_id = case id when 'p' then 'zoe' end`, []string{}, []string{`pia 0 withdrawn ["1", "5"]`}},
			{`update tidings.posts set author_id = 'pia'`, []string{"pia like cy - 1", "pia like cy - 5"}, []string{"pia 1 new 1", "pia 2 new 5"}},
		})
	})
	t.Run("ALikeForAFormerAuthorIsWithdrawnByARecount", func(t *testing.T) {
		t.Parallel()
		conn, _ := database(t)
		exec(t, conn, setting+`insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'cy'), ('p', 1, 'cy')`)
		exec(t, conn, `
			alter table tidings.comments disable trigger updated;
			alter table tidings.posts disable trigger changed_update;
			update tidings.comments set author_id = 'bob' where id = 1;
			update tidings.posts set author_id = 'bob'`)
		before := head(t, conn)
		Want(t, "repaired", value[int](t, conn, `select tidings.recount()`), 2)
		Want(t, "the inbox", inbox(t, conn), []string{})
		events := told(t, conn, before)
		slices.Sort(events)
		Want(t, "the events", events, []string{`ann 0 withdrawn ["2"]`, `pia 0 withdrawn ["1"]`})
		countsAreRight(t, conn)
		Want(t, "repaired again", value[int](t, conn, `select tidings.recount()`), 0)
	})
	t.Run("ALikeOfACommentIsRestoredWithIt", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, setting)
		exec(t, conn, `insert into tidings.likes (post_id, comment_id, user_id) values ('p', 1, 'cy'), ('p', 1, 'dee')`)
		exec(t, conn, status+`'spam' where id = 1`)
		exec(t, conn, `delete from tidings.likes where user_id = 'dee'`)
		exec(t, conn, status+`'published' where id = 1`)
		Want(t, "the inbox", inbox(t, conn), []string{"ann like cy 1 1", "pia comment ann 1 3"})
		countsAreRight(t, conn)
	})
	t.Run("NothingIsKeptOfWhatIsDeleted", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, setting)
		exec(t, conn, status+`'published' where id = 2; insert into tidings.likes (post_id, comment_id, user_id) values ('p', 2, 'cy')`)
		exec(t, conn, status+`'spam' where id = 2`)
		exec(t, conn, `delete from tidings.comments where id = 2`)
		exec(t, conn, `insert into tidings.likes (post_id, user_id) values ('p', 'cy')`)
		exec(t, conn, `delete from tidings.likes`)
		exec(t, conn, `delete from tidings.posts`)
		Want(t, "withdrawn rows", value[int](t, conn, `select count(*) from tidings.withdrawn`), 0)
	})
}

// flush must not wait while it holds the turn, so notifications are inserted before it.
func TestNotifications_AnOpenTransactionDelaysNobodyElse(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	open, watch := connect(t, dsn), connect(t, dsn)
	exec(t, conn, setting)
	exec(t, open, `begin; insert into tidings.notifications (user_id, kind, post_id, actor_id) values ('pia', 'like', 'p', 'cy')`)
	liked := start(t, conn, `insert into tidings.likes (post_id, user_id) values ('p', 'cy')`)
	awaitBlocked(t, watch, conn, open)
	if turnIsTaken(t, watch) {
		t.Error("the turn is taken")
	}
	exec(t, watch, `insert into tidings.likes (post_id, user_id) values ('p', 'dee')`)
	exec(t, open, `rollback`)
	Must(t, <-liked)
	countsAreRight(t, watch)
}
