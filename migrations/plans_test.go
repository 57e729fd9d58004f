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
)

// bulk are statements of many rows, #, each of them with plans of ours.
var bulk = []string{
	`insert into tidings.comments (post_id, author_id, body) select 'p' || i, 'u' || i, 'x' from generate_series(1, #) i`,
	`insert into tidings.comments (post_id, parent_id, author_id, body)
		select post_id, id, 'v', 'y' from tidings.comments where parent_id is null order by id desc limit #`,
	`insert into tidings.likes (post_id, comment_id, user_id)
		select post_id, id, 'w' from tidings.comments order by id desc limit # on conflict do nothing`,
	`update tidings.comments set body = 'z' where id in (select id from tidings.comments order by id desc limit #)`,
	`update tidings.comments set status = 'spam' where id in (select id from tidings.comments order by id desc limit #)`,
	`update tidings.comments set status = 'published' where id in (select id from tidings.comments order by id desc limit #)`,
	`delete from tidings.likes where comment_id in (select id from tidings.comments order by id desc limit #)`,
	`delete from tidings.comments where id in (select id from tidings.comments order by id desc limit #)`,
	`delete from tidings.posts where id in (select id from tidings.posts order by id desc limit #)`,
}

// Our plans are made once a session. One that was made for a single row, when the
// tables were known to be small, must still be right for many, and for a single row
// among many: no step of it may look at more than a few times the rows there are.
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
			exec(t, conn, `insert into tidings.posts (id, author_id) select 'p' || i, 'author' || i from generate_series(1, 500) i
				on conflict (id) do update set author_id = excluded.author_id`)
			for _, sql := range bulk {
				for _, n := range []int{500, 1} {
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

// rows makes a bulk statement one of n rows.
func rows(n int, sql string) string { return strings.ReplaceAll(sql, "#", strconv.Itoa(n)) }

// modest fails the test for plans that look at too much for a statement of n rows. The
// statement's own is not ours, nor are those of foreign keys.
func modest(t *testing.T, n int, statement string, plans []string) {
	t.Helper()
	for _, plan := range plans {
		if strings.Contains(plan, statement) || strings.Contains(plan, "FROM ONLY") {
			continue
		}
		if looked := looks(plan); looked > 20*n+100 {
			t.Errorf("for %d rows a step looks at %d:\n%s", n, looked, plan)
		}
	}
}

// explained opens a session that can put each statement's plan into notices, also of
// those in functions.
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

var (
	returned = regexp.MustCompile(`actual rows=(\d+)[.\d]* loops=(\d+)`)
	removed  = regexp.MustCompile(`Rows Removed by .*: (\d+)`)
)

// looks is the most rows that one step of a plan has had in hand.
func looks(plan string) (most int) {
	number := func(s string) int {
		n, _ := strconv.Atoi(s)
		return n
	}
	loops := 1
	for line := range strings.Lines(plan) {
		if m := returned.FindStringSubmatch(line); m != nil {
			loops = number(m[2])
			most = max(most, number(m[1])*loops)
		} else if m := removed.FindStringSubmatch(line); m != nil {
			most = max(most, number(m[1])*loops)
		}
	}
	return most
}
