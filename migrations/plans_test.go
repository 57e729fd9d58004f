package migrations_test

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/store/storetest"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

// bulk are statements of # rows. Each runs statements of the trigger functions.
var bulk = []string{
	`insert into tidings.comments (post_id, author_id, body) select 'p' || i, 'u' || i, 'x' from generate_series(1, #) i`,
	`insert into tidings.comments (post_id, parent_id, author_id, body)
		select post_id, id, 'v', 'y' from tidings.comments where parent_id is null order by id desc limit #`,
	`insert into tidings.likes (post_id, comment_id, user_id)
		select post_id, id, 'w' from tidings.comments order by id desc limit # on conflict do nothing`,
	`insert into tidings.likes (post_id, user_id) select id, 'w' from tidings.posts order by id desc limit # on conflict do nothing`,
	`update tidings.comments set body = 'z' where id in (select id from tidings.comments order by id desc limit #)`,
	`update tidings.comments set status = 'spam' where id in (select id from tidings.comments order by id desc limit #)`,
	`update tidings.comments set status = 'published' where id in (select id from tidings.comments order by id desc limit #)`,
	`update tidings.comments set author_id = '-' || author_id where id in (select id from tidings.comments order by id desc limit #)`,
	`update tidings.comments set author_id = substr(author_id, 2) where id in (select id from tidings.comments order by id desc limit #)`,
	`update tidings.posts set author_id = '-' || author_id where id in (select id from tidings.posts order by id desc limit #)`,
	`update tidings.posts set author_id = substr(author_id, 2) where id in (select id from tidings.posts order by id desc limit #)`,
	`update tidings.users set name = name || '.' where id in (select id from tidings.users order by id desc limit #)`,
	`delete from tidings.users where id in (select id from tidings.users order by id desc limit #)`,
	`delete from tidings.likes where comment_id in (select id from tidings.comments order by id desc limit #)`,
	`delete from tidings.comments where id in (select id from tidings.comments order by id desc limit #)`,
	`delete from tidings.posts where id in (select id from tidings.posts order by id desc limit #)`,
}

// The plans of the trigger functions are made once per session. A plan that was made for a
// single row, when the tables were small, must still be right for many rows, and for a
// single row in large tables: no step of it may read many more rows than the statement has.
func TestPlans_StayRightAsTablesGrow(t *testing.T) {
	t.Parallel()

	for name, setup := range map[string]string{
		"FromNothing":        ``,
		"FromAFew":           rows(100, bulk[0]),
		"FromAFewAndReplies": rows(100, bulk[0]) + `;` + rows(50, bulk[1]),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, notices := explained(t)
			exec(t, conn, setup)
			exec(t, conn, `analyze`)
			for _, sql := range bulk {
				exec(t, conn, rows(1, sql))
			}
			exec(t, conn, `insert into tidings.posts (id, author_id) select 'p' || i, 'author' || i from generate_series(1, 100) i
				on conflict (id) do update set author_id = excluded.author_id`)
			for _, sql := range bulk {
				for _, n := range []int{100, 1} {
					*notices = (*notices)[:0]
					exec(t, conn, `set auto_explain.log_min_duration = 0`)
					exec(t, conn, rows(n, sql))
					exec(t, conn, `set auto_explain.log_min_duration = -1`)
					modest(t, n, rows(n, sql), *notices)
				}
			}
			countsAreRight(t, conn)
		})
	}
}

// rows returns a bulk statement for n rows.
func rows(n int, sql string) string { return strings.ReplaceAll(sql, "#", strconv.Itoa(n)) }

// modest fails the test if a plan reads too many rows for a statement of n rows. The plans
// of the statement itself and of foreign keys are not checked.
func modest(t *testing.T, n int, statement string, plans []string) {
	t.Helper()
	most := 0
	for _, plan := range plans {
		most = max(most, rowsRead(plan))
		if strings.Contains(plan, statement) || strings.Contains(plan, "FROM ONLY") {
			continue
		}
		if read := rowsRead(plan); read > 20*n+60 {
			t.Errorf("for a statement of %d rows, a step reads %d rows:\n%s", n, read, plan)
		}
	}
	if most < n {
		t.Errorf("a statement of %d rows reads %d:\n%s", n, most, statement)
	}
}

// explained opens a session that reports the plan of each statement as a notice, including
// statements in functions.
func explained(t *testing.T) (*pgx.Conn, *[]string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(storetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	notices := new([]string)
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { *notices = append(*notices, n.Message) }
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if err := try(t, conn, `load 'auto_explain'`); err != nil {
		t.Skip("auto_explain is not installed: ", err)
	}
	exec(t, conn, `set auto_explain.log_nested_statements = on; set auto_explain.log_analyze = on; set auto_explain.log_timing = off;
		set client_min_messages = log`)
	return conn, notices
}

// rowsRead returns the highest number of rows that a step of a plan has read. The plans are
// long: cutting their lines takes a tenth of the time of regular expressions.
func rowsRead(plan string) (most int) {
	number := func(s string) int {
		s, _, _ = strings.Cut(s, ".") // since Postgres 18, rows are a fraction
		n, _ := strconv.Atoi(strings.TrimRight(s, ")\n"))
		return n
	}
	loops := 1
	for line := range strings.Lines(plan) {
		if _, actual, found := strings.Cut(line, "(actual rows="); found {
			rows, times, _ := strings.Cut(actual, " loops=")
			loops = number(times)
			most = max(most, number(rows)*loops)
		} else if _, removed, found := strings.Cut(line, "Rows Removed by "); found {
			_, rows, _ := strings.Cut(removed, ": ")
			most = max(most, number(rows)*loops)
		}
	}
	return most
}

// COMMIT checks for each deleted comment that no reply is left. Without statistics, the check
// must not read all comments of the post.
func TestPlans_RepliesOfADeletedCommentAreLookedUpByParent(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, `alter table tidings.comments set (autovacuum_enabled = off)`)
	exec(t, conn, `insert into tidings.comments (post_id, author_id, body) select 'p', 'u', 'x' from generate_series(1, 5000)`)
	exec(t, conn, `insert into tidings.comments (post_id, parent_id, author_id, body) select 'p', id, 'u', 'x' from tidings.comments`)
	exec(t, conn, `set plan_cache_mode = force_generic_plan`)
	exec(t, conn, `prepare fk (text, bigint) as select 1 from only tidings.comments x where $1 = post_id and $2 = parent_id for key share of x`)
	plan := strings.Join(list[string](t, conn, `explain execute fk('p', 1)`), "\n")
	if !strings.Contains(plan, "comments_by_parent") || strings.Contains(plan, "BitmapAnd") {
		t.Errorf("the plan is\n%s", plan)
	}
}

// A filter compares each row with each element of an array of a statement: a product of both.
var comparesAll = regexp.MustCompile(`Filter: .*= ANY \(\$\d+\)`)

// Each comment of a deep thread replies to the one before. The changes of its tombstones read
// only as many rows as there are comments.
func TestPlans_DeepThreadsAreWalkedOnce(t *testing.T) {
	t.Parallel()

	const depth = 400
	conn, notices := explained(t)
	exec(t, conn, rows(depth, `insert into tidings.comments (id, post_id, parent_id, author_id, body)
		select n, 'p', nullif(n - 1, 0), 'u', 'x' from generate_series(1, #) n`))
	for _, sql := range []string{
		`update tidings.comments set status = 'spam' where id > 1`,
		`update tidings.comments set status = 'published' where id > 1`,
		rows(depth, `update tidings.comments set status = 'spam' where id < #`),
		rows(depth, `update tidings.comments set status = 'published' where id between # / 2 and #`),
		rows(depth, `update tidings.comments set status = 'spam' where id between # / 2 and # - 1`),
		rows(depth, `delete from tidings.comments where id = #`),
	} {
		*notices = (*notices)[:0]
		exec(t, conn, `set auto_explain.log_min_duration = 0`)
		exec(t, conn, sql)
		exec(t, conn, `set auto_explain.log_min_duration = -1`)
		modest(t, depth, sql, *notices)
		for _, plan := range *notices {
			if comparesAll.MatchString(plan) {
				t.Errorf("%s: a step compares each row with each element of an array:\n%s", sql, plan)
			}
		}
	}
	Want(t, "tombstones", tombstones(t, conn), "")
	countsAreRight(t, conn)
}
