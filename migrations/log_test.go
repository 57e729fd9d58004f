package migrations_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestLog_CommitIsEvent(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	t.Run("CommittedEventsAreInTheLogInOrder", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, `begin`)
		exec(t, conn, `select tidings.publish('post:p', 'first', '1')`)
		exec(t, conn, comment)
		exec(t, conn, `select tidings.publish('site:s', 'third', '3')`)
		if got := since(t, conn, 0); len(got) != 0 {
			t.Errorf("before COMMIT there are %q", got)
		}
		exec(t, conn, `commit`)
		want := []string{"post:p first", "post:p new-comment", "site:s third", "post:p comment-count"}
		if got := since(t, conn, 0); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("RolledBackEventsAreNotInTheLog", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, `begin`)
		exec(t, conn, comment)
		exec(t, conn, `rollback`)
		exec(t, conn, `select tidings.publish('post:p', 'next', '1')`)
		if got, want := since(t, conn, 0), []string{"post:p next"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		leavesNothing(t, conn)
	})
	t.Run("AFailedCommitLeavesNothing", func(t *testing.T) {
		conn := db.again(t)
		refused(t, conn, "23503", `insert into tidings.comments (id, post_id, parent_id, author_id, body) values (500, 'p', 404, 'ann', 'x')`)
		if got := since(t, conn, 0); len(got) != 0 {
			t.Errorf("got %q", got)
		}
		leavesNothing(t, conn)
	})
}

// leavesNothing fails the test if a row is left in pending or commits: no transaction would
// ever number it.
func leavesNothing(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if n := value[int](t, conn, `select (select count(*) from tidings.pending) + (select count(*) from tidings.commits)`); n != 0 {
		t.Errorf("%d rows are left in pending and commits", n)
	}
}

func TestLog_Savepoints(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	publish := func(name string) string { return `select tidings.publish('post:p', '` + name + `', '{}');` }
	for name, c := range map[string]struct {
		script string
		want   []string
	}{
		"ReleasedKeepTheirEvents": {
			`savepoint s;` + publish("a") + `release s;` + publish("b"), []string{"a", "b"},
		},
		"RolledBackLoseTheirEvents": {
			publish("a") + `savepoint s;` + publish("b") + `rollback to s;` + publish("c"), []string{"a", "c"},
		},
		"TheFirstWriteMayBeRolledBack": {
			`savepoint s;` + publish("a") + `rollback to s;` + publish("b"), []string{"b"},
		},
		"TheOnlyWriteMayBeRolledBack": {
			`savepoint s;` + publish("a") + `rollback to s;`, nil,
		},
		"Nested": {
			`savepoint s;` + publish("a") + `savepoint t;` + publish("b") + `rollback to t;` + publish("c") +
				`release s; savepoint u; savepoint v;` + publish("d") + `rollback to u;` + publish("e"),
			[]string{"a", "c", "e"},
		},
		"TwoHundred": {
			`do $$ begin
				for i in 1..200 loop
					begin
						perform tidings.publish('post:p', 'n' || i, '{}');
						if i % 100 <> 0 then raise exception 'no'; end if;
					exception when raise_exception then null;
					end;
				end loop;
			end $$;`, []string{"n100", "n200"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, `begin`)
			exec(t, conn, c.script)
			exec(t, conn, `commit`)
			if got := list[string](t, conn, `select name from tidings.events order by position`); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			leavesNothing(t, conn)
		})
	}
}

func TestLog_ALongTransactionDelaysNoOtherAndIsNumberedLast(t *testing.T) {
	t.Parallel()

	slow, dsn := database(t)
	quick := connect(t, dsn)
	exec(t, slow, `begin; `+comment)
	for range 5 {
		exec(t, quick, `insert into tidings.comments (post_id, author_id, body) values ('q', 'bob', 'quick')`)
	}
	before := head(t, quick)
	if got := value[int](t, quick, `select count(*) from tidings.events where name = 'new-comment'`); got != 5 {
		t.Fatalf("%d comments are in the log while the first transaction is open, want 5", got)
	}
	exec(t, slow, `commit`)
	if got, want := since(t, quick, before), []string{"post:p new-comment", "post:p comment-count"}; !slices.Equal(got, want) {
		t.Errorf("after its commit: %q, want %q", got, want)
	}
}

// A transaction takes its positions under the turn, and keeps the turn until its commit is
// visible: a later position must not be visible before an earlier one.
func TestLog_TheTurnIsHeldUntilTheCommitIsVisible(t *testing.T) {
	t.Parallel()

	first, dsn := database(t)
	second, watch := connect(t, dsn), connect(t, dsn)
	exec(t, first, `begin; lock table tidings.turn in exclusive mode`) // as flush does
	exec(t, first, `select tidings.publish('post:p', 'first', '{}')`)
	waiting := start(t, second, `select tidings.publish('post:p', 'second', '{}')`)
	awaitBlocked(t, watch, second, first)
	exec(t, first, `commit`)
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
	if got, want := since(t, watch, 0), []string{"post:p first", "post:p second"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLog_NotifiesOnceForEachCommitWithEvents(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	listener := connect(t, dsn)
	exec(t, listener, `listen tidings_log; listen done`)
	exec(t, conn, `begin; `+comment+`; `+comment+`; commit`)
	exec(t, conn, `insert into tidings.users (id, name) values ('zoe', 'Zoe')`)
	exec(t, conn, `begin; `+comment+`; rollback`)
	exec(t, conn, `notify done`)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var received []string
	for !slices.Contains(received, "done") {
		n, err := listener.WaitForNotification(ctx)
		if err != nil {
			t.Fatal(err)
		}
		received = append(received, n.Channel+n.Payload)
	}
	if want := []string{"tidings_log", "done"}; !slices.Equal(received, want) {
		t.Errorf("received %q, want %q", received, want)
	}
}

func TestLog_EventsHaveTheTimeOfTheirCommit(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, `begin; `+comment)
	written := value[time.Time](t, conn, `select clock_timestamp()`)
	exec(t, conn, `commit`)
	if at := value[time.Time](t, conn, `select min(created_at) from tidings.events`); at.Before(written) {
		t.Errorf("numbered at %v, before %v when the transaction was still open", at, written)
	}
}

// Counts are at the position of the first event of their transaction, and without an event at a
// position of their own.
func TestNumber_CountsAreAtTheFirstEvent(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	for _, step := range []struct {
		sql  string
		want string // positions of the new counts, and of the new events
	}{
		{`insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', 'x')`, "{1}{1,2}"},
		{`insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', 'x'), ('q', 'ann', 'x')`, "{3}{3,4,5,6}"},
		{`insert into tidings.likes (post_id, user_id) values ('p', 'bob')`, "{7}{7,8}"},
		{`insert into tidings.comments (id, post_id, author_id, body, status) values (10, 'p', 'ann', 'x', 'pending')`, "{9}{9}"},
		{`update tidings.counts set comments = 5 where target = 'moderation'; select tidings.recount()`, "{10}{}"},
		{`insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', 'x')`, "{11}{11,12}"},
		{`alter sequence tidings.positions restart with 100; insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', 'x')`, "{100}{100,101}"},
		{`insert into tidings.likes (post_id, user_id) values ('p', 'eve')`, "{102}{102,103}"},
	} {
		before := value[int64](t, conn, `select coalesce(pg_sequence_last_value('tidings.positions'), 0)`)
		exec(t, conn, step.sql)
		streamtest.Want(t, step.sql, value[string](t, conn, `
			select array(select distinct position from tidings.counts where position > $1 order by 1)::text
				|| array(select position from tidings.events where position > $1 order by 1)::text`, before), step.want)
	}
	countsAreRight(t, conn)
}
