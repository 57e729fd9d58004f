package migrations_test

import (
	"errors"
	"flag"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	. "github.com/tidings-live/tidings/stream/streamtest"
)

// pairSetting makes the posts $P of the pairs $F to $L, by pia, each with the comments $1, a root;
// $2 and $5, replies to $1; $3, a pending reply to $2; and $4, a hidden root with the reply $6.
const pairSetting = `
	create temporary table if not exists pair (p text, n integer) on commit delete rows;
	begin;
	insert into pair select 'p' || i, i * 10 from generate_series($F, $L) as i;
	insert into tidings.posts (id, author_id) select p, 'pia' from pair;
	insert into tidings.comments (id, post_id, parent_id, author_id, body)
		select n + c.id, p, n + c.parent, c.author, 'x'
		from pair, (values (1, null, 'ann'), (2, 1, 'bob'), (4, null, 'dee'), (5, 1, 'eve'), (6, 4, 'jo')) as c (id, parent, author)
		order by n, c.id;
	insert into tidings.comments (id, post_id, parent_id, author_id, body, status)
		select n + 3, p, n + 2, 'cy', 'x', 'pending' from pair;
	insert into tidings.likes (post_id, comment_id, user_id)
		select p, n + l.comment, l.who
		from pair, (values (1, 'cy'), (2, 'dee'), (2, 'fay'), (4, 'gus'), (4, 'hal'), (null, 'cy')) as l (comment, who);
	delete from tidings.likes where user_id = 'fay' and post_id in (select p from pair);
	update tidings.comments set status = 'spam' where id in (select n + 4 from pair);
	commit`

// pairActs are the acts that are made two at a time.
var pairActs = []struct{ name, sql string }{
	{"LikeComment", `insert into tidings.likes (post_id, comment_id, user_id) values ('$P', $2, 'hal') on conflict do nothing`},
	{"LikeAgain", `insert into tidings.likes (post_id, comment_id, user_id) values ('$P', $2, 'fay') on conflict do nothing`},
	{"UnlikeComment", `delete from tidings.likes where comment_id = $2 and user_id = 'dee'`},
	{"LikeRoots", `insert into tidings.likes (post_id, comment_id, user_id) values ('$P', $1, 'kim'), ('$P', $4, 'kim') on conflict do nothing`},
	{"UnlikeHidden", `delete from tidings.likes where comment_id = $4 and user_id = 'gus'`},
	{"LikePost", `insert into tidings.likes (post_id, user_id) values ('$P', 'hal') on conflict do nothing`},
	{"UnlikePost", `delete from tidings.likes where post_id = '$P' and comment_id is null`},
	{"DeletePost", `delete from tidings.posts where id = '$P'`},
	{"HideReply", `update tidings.comments set status = 'spam' where id = $2`},
	{"HideThread", `update tidings.comments set status = 'rejected' where id in ($1, $2, $3, $5)`},
	{"Show", `update tidings.comments set status = 'published' where id = $4`},
	{"Approve", `update tidings.comments set status = 'published' where id = $3`},
	{"Reject", `update tidings.comments set status = 'rejected' where id = $3`},
	{"HoldRoot", `update tidings.comments set status = 'pending' where id = $1`},
	{"DeleteRoot", `update tidings.comments set status = 'deleted' where id = $1`},
	{"DeleteRow", `delete from tidings.comments where id = $5`},
	{"DeleteLeafOfHidden", `delete from tidings.comments where id = $6`},
	{"HideLeafOfHidden", `update tidings.comments set status = 'spam' where id = $6`},
	{"Reply", `insert into tidings.comments (post_id, parent_id, author_id, body, mentions) values ('$P', $2, 'ivy', 'x', '{ann,eve}')`},
	{"ReplyToHidden", `insert into tidings.comments (post_id, parent_id, author_id, body) values ('$P', $4, 'ivy', 'x'), ('$P', $3, 'ivy', 'x')`},
	{"Comment", `insert into tidings.comments (post_id, author_id, body) values ('$P', 'kim', 'x')`},
	{"Mention", `update tidings.comments set mentions = '{bob,kim,ann}' where id = $5`},
	{"Pin", `update tidings.comments set pinned_at = now() where id in ($1, $4)`},
	{"Edit", `update tidings.comments set body = 'y' where id in ($1, $2)`},
	{"ChangeTime", `update tidings.comments set created_at = created_at - interval '1 day' where id in ($2, $4)`},
	{"ChangeAuthor", `update tidings.comments set author_id = 'kim' where id = $2`},
	{"ChangePostsAuthor", `update tidings.posts set author_id = 'ann', title = 'x' where id = '$P'`},
	{"MarkRead", `update tidings.notifications set read_at = now() where post_id = '$P' and read_at is null`},
	{"MarkSomeRead", `update tidings.notifications set read_at = now() where post_id = '$P' and actor_id in ('dee', 'cy') and read_at is null`},
	{"DeleteNotifications", `delete from tidings.notifications where post_id = '$P' and user_id in ('bob', 'pia')`},
}

// A pairRun makes pairs of transactions in a database.
type pairRun struct {
	t           *testing.T
	first       *pgx.Conn
	second      *pgx.Conn
	watch       *pgx.Conn
	done        int
	act, other  int    // the acts of the current pair
	post, order string // of the current pair
}

var bothOrders = flag.Bool("pairs.both", false, "commit each pair of transactions in both orders, not in one of them")

// Any two transactions that are open at the same time leave notifications, counts, tombstones and
// ranks as they are counted again, in both orders of their commits.
func TestPairs_OfOpenTransactionsLeaveNothingWrong(t *testing.T) {
	t.Parallel()

	const parts = 2
	for part := range parts {
		t.Run(strconv.Itoa(part), func(t *testing.T) {
			t.Parallel()
			watch, dsn := database(t)
			r := &pairRun{t: t, first: connect(t, dsn), second: connect(t, dsn), watch: watch}
			for r.act = part; r.act < len(pairActs); r.act += parts {
				before := head(t, watch)
				r.prepare()
				for r.other = r.act; r.other < len(pairActs); r.other++ {
					inOrder := (r.act+r.other)%2 == 0
					if r.pair(inOrder); *bothOrders {
						r.pair(!inOrder)
					}
				}
				if n := value[int](t, watch, `select tidings.recount()`); n != 0 {
					t.Errorf("%s and another: recount repaired %d: %q", pairActs[r.act].name, n, list[string](t, watch, `
						select concat_ws(' ', topic, name, data) from tidings.events where position > $1 order by position desc limit $2`, before, n))
				}
			}
			Want(t, "users whose last event has another number than the table", list[string](t, watch, `
				select concat_ws(' ', topic, data ->> 'unread', unread)
				from (
					select distinct on (topic) topic, data
					from tidings.events
					where name = 'notification'
					order by topic, position desc
				) as e
				cross join lateral (select unread from tidings.counts where target = topic order by position desc limit 1) as c
				where unread <> (data ->> 'unread')::bigint`), []string{})
			Want(t, "likes of which another user than the author is notified", list[string](t, watch, `
				select concat_ws(' ', n.user_id, n.post_id, n.comment_id)
				from tidings.notifications as n
				left join tidings.comments as c on c.id = n.comment_id
				left join tidings.posts as p on p.id = n.post_id and n.comment_id is null
				where n.kind = 'like' and n.user_id is distinct from coalesce(c.author_id, p.author_id)`), []string{})
			leavesNothing(t, watch)
		})
	}
}

// fill puts the names of the current pair into SQL.
func (r *pairRun) fill(sql string) string {
	sql = strings.ReplaceAll(sql, "$P", r.post)
	for i := range 7 {
		sql = strings.ReplaceAll(sql, "$"+strconv.Itoa(i), strconv.Itoa(r.done*10+i))
	}
	return sql
}

// prepare makes the posts of all pairs of the current act.
func (r *pairRun) prepare() {
	pairs := len(pairActs) - r.act
	if *bothOrders {
		pairs *= 2
	}
	sql := strings.ReplaceAll(pairSetting, "$F", strconv.Itoa(r.done+1))
	exec(r.t, r.watch, strings.ReplaceAll(sql, "$L", strconv.Itoa(r.done+pairs)))
}

// pair makes both acts of the pair in transactions, which commit in the order of their begin or the
// other one. What waits for the other transaction ends with it.
func (r *pairRun) pair(inOrder bool) {
	r.done++
	r.post = "p" + strconv.Itoa(r.done)
	a, b := pairActs[r.act], pairActs[r.other]
	r.order = a.name + ", " + b.name
	const begin = `begin; set local deadlock_timeout = '20ms'; `
	first := r.start(r.first, r.fill(begin+a.sql))
	second := r.start(r.second, r.fill(begin+b.sql))
	if len(second) == 0 || inOrder {
		first = r.then(first, r.first)
		second = r.then(second, r.second)
	} else {
		r.order += ", in the other order"
		second = r.then(second, r.second)
		first = r.then(first, r.first)
	}
	r.allowed(<-first)
	r.allowed(<-second)
	r.check()
}

// then commits after what a session does has ended.
func (r *pairRun) then(done <-chan error, conn *pgx.Conn) <-chan error {
	r.allowed(<-done)
	return r.start(conn, `commit`)
}

// start runs SQL until it has ended or waits for the other transaction.
func (r *pairRun) start(conn *pgx.Conn, sql string) <-chan error {
	done := start(r.t, conn, sql)
	other := r.first
	if conn == r.first {
		other = r.second
	}
	Eventually(r.t, "SQL ends or waits", func() bool {
		return len(done) > 0 || isBlocked(r.t, r.watch, conn, other)
	})
	return done
}

// allowed ends the test for an error that is not a conflict of the two transactions.
func (r *pairRun) allowed(err error) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "40P01" || strings.HasPrefix(pg.Code, "23") || pg.Code == "25P02") {
		return
	}
	if err != nil {
		r.t.Fatalf("%s: %v", r.order, explain(err))
	}
}

// check looks for what is wrong with the post of the pair.
func (r *pairRun) check() {
	r.t.Helper()
	for _, wrong := range list[string](r.t, r.watch, `
		select concat_ws(' ', 'a notification', n.user_id, n.kind, n.actor_id, n.comment_id % 10)
		from tidings.notifications as n
		left join tidings.posts as p on p.id = n.post_id
		left join tidings.comments as c on c.id = n.comment_id
		left join tidings.likes as l on l.post_id = n.post_id and l.comment_id is not distinct from n.comment_id and l.user_id = n.actor_id
		where n.post_id = $1
			and (
				p.id is null or n.user_id = n.actor_id
				or n.comment_id is not null and c.status is distinct from 'published'
				or case n.kind when 'like' then l.user_id is null else c.author_id <> n.actor_id end
			)
		union all
		select concat_ws(' ', 'kept for a post or comment that is gone', w.user_id, w.kind, w.actor_id, w.comment_id % 10)
		from tidings.withdrawn as w
		left join tidings.posts as p on p.id = w.post_id
		left join tidings.comments as c on c.id = w.comment_id
		where w.post_id = $1 and (p.id is null or w.comment_id is not null and c.id is null)
		union all
		select concat_ws(' ', 'kept although the user has it', id)
		from tidings.withdrawn
		where post_id = $1 and id in (select id from tidings.notifications)`, r.post) {
		r.t.Errorf("%s: %s", r.order, wrong)
	}
}
