package migrations_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

// mentioning has comment 6 by cy below comment 1 of ann's, on pia's post. dee has commented. Only
// pia and ann are notified of comment 6, and of nothing else.
const mentioning = setting + `
	insert into tidings.comments (id, post_id, author_id, body) values (5, 'p', 'dee', 'x');
	delete from tidings.notifications;
	delete from tidings.withdrawn;
	insert into tidings.comments (id, post_id, parent_id, author_id, body) values (6, 'p', 1, 'cy', 'x');
	alter sequence tidings.notifications_id_seq restart with 10;`

// Each step is SQL, and then the notifications about comments: "user kind actor".
func TestNotifications_FollowTheComment(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	type change struct {
		sql  string
		want []string
	}
	both := []string{"ann reply cy", "pia comment cy"}
	const (
		hide = `update tidings.comments set status = 'spam' where id = 6`
		show = `update tidings.comments set status = 'published' where id = 6`
	)
	for name, changes := range map[string][]change{
		"AUserThatIsMentionedLater": {
			{`update tidings.comments set mentions = '{dee,stranger}' where id = 6`, []string{"ann reply cy", "dee mention cy", "pia comment cy"}},
			{`update tidings.comments set body = 'y' where id = 6`, []string{"ann reply cy", "dee mention cy", "pia comment cy"}},
			{`update tidings.comments set mentions = '{}' where id = 6`, both},
			{`update tidings.comments set mentions = '{dee}' where id = 6`, []string{"ann reply cy", "dee mention cy", "pia comment cy"}},
		},
		"TheKindStaysUntilItIsHidden": {
			{`update tidings.comments set mentions = '{ann}' where id = 6`, both},
			{hide, []string{}},
			{show, []string{"ann mention cy", "pia comment cy"}},
			{`update tidings.comments set mentions = '{}' where id = 6`, []string{"ann mention cy", "pia comment cy"}},
			{hide, []string{}},
			{show, both},
		},
		"AnotherAuthorIsTheActor": {
			{`update tidings.comments set author_id = 'eve' where id = 6`, []string{"ann reply eve", "pia comment eve"}},
			{hide, []string{}},
			{`update tidings.comments set author_id = 'fay' where id = 6`, []string{}},
			{show, []string{"ann reply fay", "pia comment fay"}},
		},
		"AnotherAuthorIsNotNotified": {
			{`update tidings.comments set author_id = 'ann' where id = 6`, []string{"pia comment ann"}},
			{`update tidings.comments set author_id = 'cy' where id = 6`, []string{"pia comment cy"}},
			{hide, []string{}},
			{show, both}, // a reply to ann again
		},
		"AnAuthorOfThePostIsToldOfWhatComesLater": {
			{`update tidings.posts set author_id = 'dee'`, both},
			{`insert into tidings.comments (id, post_id, author_id, body) values (7, 'p', 'cy', 'x')`, []string{"ann reply cy", "dee comment cy", "pia comment cy"}},
			{hide, []string{"dee comment cy"}},
			{show, []string{"ann reply cy", "dee comment cy", "dee comment cy"}},
		},
		"WhatSQLDeletesStaysAway": {
			{`delete from tidings.notifications where user_id = 'ann'`, []string{"pia comment cy"}},
			{hide, []string{}},
			{show, []string{"pia comment cy"}},
			{`update tidings.comments set mentions = '{ann}' where id = 6`, []string{"pia comment cy"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, mentioning)
			for i, c := range changes {
				exec(t, conn, c.sql)
				Want(t, "after "+c.sql, list[string](t, conn, `
					select concat_ws(' ', user_id, kind, actor_id)
					from tidings.notifications
					order by 1`), changes[i].want)
				countsAreRight(t, conn)
			}
			exec(t, conn, `delete from tidings.comments; delete from tidings.posts`)
			Want(t, "kept rows", value[int](t, conn, `select (select count(*) from tidings.withdrawn) + (select count(*) from tidings.notifications)`), 0)
			leavesNothing(t, conn)
		})
	}
}

func TestNotifications_OfLikesThatSQLDeletesStayAway(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, setting)
	exec(t, conn, `insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'cy'), ('p', 1, 'cy'), ('p', null, 'dee')`)
	exec(t, conn, `delete from tidings.notifications where actor_id = 'cy'`)
	exec(t, conn, `delete from tidings.likes`)
	exec(t, conn, `insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'cy'), ('p', 1, 'cy'), ('p', null, 'dee')`)
	Want(t, "the inbox", inbox(t, conn), []string{"pia like dee - 3"})
	countsAreRight(t, conn)
}

// A row with another actor is told again, with the same id and number of unread ones.
func TestNotifications_AnotherActorIsTold(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, mentioning)
	exec(t, conn, `update tidings.notifications set read_at = now() where user_id = 'ann'`)
	before := head(t, conn)
	exec(t, conn, `update tidings.comments set author_id = 'bob' where id = 6`)
	Want(t, "the events", list[string](t, conn, `
		select concat_ws(' ', topic, data ->> 'kind', data ->> 'unread', data -> 'actor' ->> 'name')
		from tidings.log
		where name = 'notification' and position > $1
		order by topic`, before), []string{"user:ann reply 0 BOB", "user:pia comment 1 BOB"})
}

// count is the number of others who like it, with the likes that no notification tells of.
func TestNotifications_LikesHaveTheirNumber(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, setting)
	exec(t, conn, `insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'pia'), ('p', null, 'cy'), ('p', 1, 'cy')`)
	before := head(t, conn)
	exec(t, conn, `insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'dee'), ('p', null, 'eve'), ('p', 1, 'dee')`)
	Want(t, "the events", list[string](t, conn, `
		select concat_ws(' ', topic, data -> 'actor' ->> 'id', data ->> 'count', data ->> 'unread')
		from tidings.log
		where name = 'notification' and position > $1
		order by position`, before), []string{"user:pia eve 3 1", "user:ann dee 2 1"})
}

// A thread notifies a user of 120 acts in a minute, in one statement or in many. Other threads and
// users, and the next minute, have their own 120.
func TestNotifications_AThreadHasALimit(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	const made = `
		select concat_ws(' ', user_id, kind, count(*), string_agg((id - first)::text, ',' order by id) filter (where more))
		from (select *, min(id) over (partition by user_id, kind) - 1 as first from tidings.notifications) as n
		group by user_id, kind
		order by user_id`
	for name, c := range map[string]struct {
		sql  string // inserts # acts of the thread
		want string // after 119, and after more
		full string
	}{
		"OfReplies": {
			`insert into tidings.comments (post_id, parent_id, author_id, body) select 'q', 1, 'cy', 'x' from generate_series(1, #)`,
			"ann reply 119", "ann reply 120 120",
		},
		"OfCommentsWithoutAParent": {
			`insert into tidings.comments (post_id, author_id, body) select 'p', 'cy', 'x' from generate_series(1, #)`,
			"pia comment 119", "pia comment 120 120",
		},
		"OfLikesOfAPost": {
			`insert into tidings.likes (post_id, user_id) select 'p', 'u' || n + (select count(*) from tidings.likes) from generate_series(1, #) n`,
			"pia like 119", "pia like 120 120",
		},
		"OfMentions": {
			`insert into tidings.comments (post_id, parent_id, author_id, body, mentions) select 'q', 2, 'cy', 'x', '{ann}' from generate_series(1, #)`,
			"ann mention 119", "ann mention 120 120",
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, `
				insert into tidings.posts (id, author_id) values ('p', 'pia'), ('q', 'cy');
				insert into tidings.comments (id, post_id, author_id, body) values (1, 'q', 'ann', 'x');
				insert into tidings.comments (id, post_id, parent_id, author_id, body) values (2, 'q', 1, 'cy', 'y');
				delete from tidings.notifications;
				alter sequence tidings.comments_id_seq restart with 100`)
			exec(t, conn, rows(119, c.sql))
			Want(t, "119 acts", list[string](t, conn, made), []string{c.want})
			before := head(t, conn)
			for _, n := range []int{1, 1, 500} {
				exec(t, conn, rows(n, c.sql))
			}
			Want(t, "621 acts", list[string](t, conn, made), []string{c.full})
			Want(t, "the events", list[bool](t, conn, `select data -> 'more' = 'true' from tidings.events where name = 'notification' and position > $1`, before), []bool{true})
			countsAreRight(t, conn)

			exec(t, conn, `update tidings.notifications set created_at = created_at - interval '1 minute'`)
			exec(t, conn, rows(1, c.sql))
			Want(t, "in the next minute", value[int](t, conn, `select count(*) from tidings.notifications where not more`), 120)
		})
	}
	t.Run("OfOneThreadOnly", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, `
			insert into tidings.posts (id, author_id) values ('p', 'pia'), ('q', 'pia');
			insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'x'), (2, 'p', 'ann', 'x');
			delete from tidings.notifications;
			alter sequence tidings.comments_id_seq restart with 100`)
		exec(t, conn, `insert into tidings.comments (post_id, parent_id, author_id, body) select 'p', 1 + n % 2, 'cy', 'x' from generate_series(1, 400) n;
			insert into tidings.comments (post_id, author_id, body) select 'p', 'cy', 'x' from generate_series(1, 200) n;
			insert into tidings.likes (post_id, comment_id, user_id) select 'p', 1, 'u' || n from generate_series(1, 200) n;
			insert into tidings.likes (post_id, user_id) select 'q', 'u' || n from generate_series(1, 200) n`)
		Want(t, "the notifications", list[string](t, conn, `
			select concat_ws(' ', user_id, post_id, thread_id, count(*))
			from tidings.notifications
			group by user_id, post_id, thread_id
			order by 1`), []string{"ann p 1 120", "ann p 2 120", "pia p 0 120", "pia p 1 120", "pia p 2 120", "pia q 0 120"})
		countsAreRight(t, conn)
	})
}

// The event of more than 100 rows has no ids, so they need no rows in pending. Comments and likes
// that go with their post are not counted down one by one.
func TestNotifications_ManyThatGoAreFewRowsOfPending(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, `
		insert into tidings.posts (id, author_id) values ('p', 'pia'), ('q', 'pia');
		insert into tidings.comments (id, post_id, author_id, body) select n, 'p', 'ann', 'x' from generate_series(1, 300) n;
		insert into tidings.comments (id, post_id, author_id, body) values (999, 'q', 'ann', 'x');
		insert into tidings.comments (id, post_id, parent_id, author_id, body) select 1000 + n, 'p', n, 'cy', 'x' from generate_series(1, 300) n;
		insert into tidings.likes (post_id, comment_id, user_id) select 'p', n, 'cy' from generate_series(1, 300) n;
		insert into tidings.likes (post_id, comment_id, user_id) values ('q', 999, 'cy'), ('q', 999, 'dee'), ('q', null, 'cy')`)
	pending := func(sql string) int {
		t.Helper()
		exec(t, conn, `begin`)
		exec(t, conn, sql)
		n := value[int](t, conn, `select count(*) from tidings.pending where xact = pg_current_xact_id_if_assigned()`)
		exec(t, conn, `commit`)
		countsAreRight(t, conn)
		leavesNothing(t, conn)
		return n
	}
	before := head(t, conn)
	exec(t, conn, `update tidings.notifications set read_at = now() where user_id = 'ann' and id % 2 = 0`)
	// pia: 120 comments without a parent and 300 replies; likes of q stay out of it.
	Want(t, "rows for read ones", pending(`update tidings.notifications set read_at = now() where user_id = 'pia' and kind <> 'like'`), 1)
	Want(t, "rows for those that are unread again", pending(`update tidings.notifications set read_at = null where user_id = 'pia' and kind <> 'like'`), 1)
	Want(t, "rows for deleted ones", pending(`delete from tidings.notifications where user_id = 'pia' and kind <> 'like' and id % 2 = 0`), 1)
	if n := pending(`delete from tidings.posts where id = 'p'`); n > 10 {
		t.Errorf("a deleted post has %d rows", n)
	}
	Want(t, "the events", told(t, conn, before)[1:], []string{
		"pia 1 read null", "pia 422 read null", "pia 212 withdrawn null", "ann 1 withdrawn null", "pia 2 withdrawn null",
	})
}

// A notification that exists before the upgrade keeps what it says.
func TestNotifications_AreKeptByTheUpgrade(t *testing.T) {
	t.Parallel()

	dsn := storetest.Empty(t)
	dir := t.TempDir()
	Must(t, os.CopyFS(dir, migrations.Files()))
	newer, err := fs.Glob(os.DirFS(dir), "schema/0006_*")
	Must(t, err)
	Must(t, os.Remove(filepath.Join(dir, newer[0])))
	Must(t, migrations.Apply(t.Context(), dsn, os.DirFS(dir), silent))
	conn := connect(t, dsn)
	exec(t, conn, `
		set session_replication_role = replica; -- the functions need the columns of the upgrade
		insert into tidings.posts (id, author_id) values ('p', 'pia');
		insert into tidings.users (id, name) values ('cy', 'cy'), ('dee', 'dee');
		insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'cy', 'x');
		insert into tidings.likes (post_id, user_id) values ('p', 'cy'), ('p', 'dee');
		insert into tidings.notifications (user_id, kind, post_id, comment_id, actor_id) values
			('pia', 'comment', 'p', 1, 'dee'), ('pia', 'like', 'p', null, 'cy'), ('pia', 'comment', 'p', 1, 'cy'), ('pia', 'like', 'p', null, 'dee');
		insert into tidings.counts (target, position, comments, likes, unread) values ('post:p', 1, 1, 2, 0), ('user:pia', 1, 0, 0, 4);
		select setval('tidings.positions', 1)`)
	Must(t, migrations.Up(t.Context(), dsn, silent))
	conn = connect(t, dsn)
	Want(t, "the inbox", inbox(t, conn), []string{"pia comment dee 1 1", "pia like cy - 2", "pia like dee - 4"})
	Want(t, "unread", value[int](t, conn, `select unread from tidings.counts where target = 'user:pia' order by position desc limit 1`), 2)
	countsAreRight(t, conn)
}
