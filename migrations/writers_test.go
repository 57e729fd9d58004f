package migrations_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestWriters_EveryWayToInsertHasTheSameEvents(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	for name, insert := range map[string]func(*testing.T, *pgx.Conn){
		"OneStatement": func(t *testing.T, conn *pgx.Conn) {
			exec(t, conn, `insert into tidings.comments (post_id, author_id, body)
				values ('p', 'ann', '1'), ('q', 'bob', '2'), ('p', 'bob', '3')`)
		},
		"ThreeInATransaction": func(t *testing.T, conn *pgx.Conn) {
			exec(t, conn, `begin`)
			for _, row := range []string{`('p', 'ann', '1')`, `('q', 'bob', '2')`, `('p', 'bob', '3')`} {
				exec(t, conn, `insert into tidings.comments (post_id, author_id, body) values `+row)
			}
			exec(t, conn, `commit`)
		},
		"Copy": func(t *testing.T, conn *pgx.Conn) {
			_, err := conn.CopyFrom(t.Context(), pgx.Identifier{"tidings", "comments"}, []string{"post_id", "author_id", "body"},
				pgx.CopyFromRows([][]any{{"p", "ann", "1"}, {"q", "bob", "2"}, {"p", "bob", "3"}}))
			if err != nil {
				t.Fatal(err)
			}
		},
		"WithAndReturning": func(t *testing.T, conn *pgx.Conn) {
			exec(t, conn, `with one as (insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', '1') returning id),
				two as (insert into tidings.comments (post_id, author_id, body) select 'q', 'bob', '2' from one returning id)
				insert into tidings.comments (post_id, author_id, body) select 'p', 'bob', '3' from two`)
		},
		"ATriggerOfAnotherTable": func(t *testing.T, conn *pgx.Conn) {
			exec(t, conn, `create table app (post text, author text, said text);
				create function app_says() returns trigger language plpgsql as $$ begin
					insert into tidings.comments (post_id, author_id, body) values (new.post, new.author, new.said);
					return new;
				end $$;
				create trigger says before insert on app for each row execute function app_says();
				insert into app values ('p', 'ann', '1'), ('q', 'bob', '2'), ('p', 'bob', '3')`)
		},
		"APipeline": func(t *testing.T, conn *pgx.Conn) {
			var batch pgx.Batch
			for _, row := range []string{`('p', 'ann', '1')`, `('q', 'bob', '2')`, `('p', 'bob', '3')`} {
				batch.Queue(`insert into tidings.comments (post_id, author_id, body) values ` + row)
			}
			if err := conn.SendBatch(t.Context(), &batch).Close(); err != nil {
				t.Fatal(err)
			}
		},
		"UpsertsThatInsert": func(t *testing.T, conn *pgx.Conn) {
			exec(t, conn, `insert into tidings.comments (id, post_id, author_id, body)
				values (1, 'p', 'ann', '1'), (2, 'q', 'bob', '2'), (3, 'p', 'bob', '3')
				on conflict (id) do update set body = excluded.body`)
		},
		"Merge": func(t *testing.T, conn *pgx.Conn) {
			exec(t, conn, `begin`)
			for _, row := range []string{`('p', 'ann', '1')`, `('q', 'bob', '2')`, `('p', 'bob', '3')`} {
				exec(t, conn, `merge into tidings.comments c
					using (values `+row+`) as v (post, author, said) on c.body = v.said
					when not matched then insert (post_id, author_id, body) values (post, author, said)`)
			}
			exec(t, conn, `commit`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			insert(t, conn)
			got := list[string](t, conn, `
				select topic || ' ' || name || ' ' || coalesce(data->>'body', data->>'count')
				from tidings.log
				order by position`)
			want := []string{
				"post:p new-comment 1", "post:q new-comment 2", "post:p new-comment 3",
				"post:p comment-count 2", "post:q comment-count 1",
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			countsAreRight(t, conn)
			leavesNothing(t, conn)
		})
	}
}

func TestWriters_OnConflict(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	const upsert = `insert into tidings.comments (id, post_id, author_id, body)
		values (1, 'p', 'ann', 'new'), (2, 'p', 'ann', 'second') on conflict (id) do `
	for name, c := range map[string]struct {
		setup, sql string
		want       []string
	}{
		"ARepeatedLikeHasNoEvent": {
			`insert into tidings.likes (post_id, user_id) values ('p', 'ann')`,
			`insert into tidings.likes (post_id, user_id) values ('p', 'ann') on conflict do nothing`, nil,
		},
		"OnlyNewLikesCount": {
			`insert into tidings.likes (post_id, user_id) values ('p', 'ann')`,
			`insert into tidings.likes (post_id, user_id) values ('p', 'ann'), ('p', 'bob'), ('p', 'bob'), ('p', 'cy') on conflict do nothing`,
			[]string{
				`post:p like-update {"count": 3, "postId": "p"}`,
				`user:bob liked {"liked": true, "postId": "p"}`, `user:cy liked {"liked": true, "postId": "p"}`,
			},
		},
		"AnUpdatedLikeHasNoEvent": {
			`insert into tidings.likes (post_id, user_id) values ('p', 'ann')`,
			`insert into tidings.likes (post_id, user_id) values ('p', 'ann')
				on conflict (post_id, comment_id, user_id) do update set created_at = clock_timestamp()`, nil,
		},
		"AnExistingCommentStays": {
			`insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'old')`, upsert + `nothing`,
			[]string{`post:p new-comment second`, `post:p comment-count 2`},
		},
		"AnExistingCommentIsUpdated": {
			`insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'old')`,
			upsert + `update set body = excluded.body`,
			[]string{`post:p new-comment second`, `post:p comment-updated new`, `post:p comment-count 2`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, c.setup)
			before := head(t, conn)
			exec(t, conn, c.sql)
			got := list[string](t, conn, `
				select topic || ' ' || name || ' ' || coalesce(data->>'body', case when name in ('like-update', 'liked') then data::text else data->>'count' end)
				from tidings.log where position > $1 order by position`, before)
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			countsAreRight(t, conn)
		})
	}
}

// A statement without effect takes no turn, so it waits for no commit and wakes no server.
func TestWriters_StatementsWithoutEffectTakeNoTurn(t *testing.T) {
	t.Parallel()

	db := share(t, 2)
	for name, sql := range map[string]string{
		"AnInsertOfNoRows":           `insert into tidings.comments (post_id, author_id, body) select 'p', 'ann', 'x' where false`,
		"ARepeatedLike":              `insert into tidings.likes (post_id, user_id) values ('p', 'ann') on conflict do nothing`,
		"AnUpdateOfNoRows":           `update tidings.comments set body = 'y' where id = 404`,
		"AnUpdateThatChangesNothing": `update tidings.comments set body = body`,
		"ADeleteOfNoRows":            `delete from tidings.comments where id = 404; delete from tidings.likes where user_id = 'zoe'`,
		"APostOrUser":                `insert into tidings.posts (id) values ('q'); insert into tidings.users (id, name) values ('q', 'Q')`,
		"RetentionOfNothing":         `delete from tidings.events where position < 0`,
		"ACopyOfNoRows":              `copy tidings.comments (post_id, author_id, body) from program 'true'`,
		"AVersionThatStays":          `update tidings.comments set version = version`,
	} {
		t.Run(name, func(t *testing.T) {
			conn, other := db.again(t), db[1]
			exec(t, conn, comment+`; insert into tidings.likes (post_id, user_id) values ('p', 'ann')`)
			before := head(t, conn)
			exec(t, other, `begin; lock table tidings.turn in exclusive mode`)
			exec(t, conn, `set lock_timeout = '10s'; `+sql)
			if got := since(t, conn, before); len(got) != 0 {
				t.Errorf("got %q", got)
			}
			leavesNothing(t, conn)
		})
	}
}

// A statement of many rows makes as many calls of functions as one of few rows. Other
// transactions can commit while it runs.
func TestWriters_TenThousandRowsInOneStatement(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	other, watch := connect(t, dsn), connect(t, dsn)
	exec(t, watch, `insert into tidings.posts (id, author_id) select 'p' || i, 'author' from generate_series(0, 99) i`)
	exec(t, conn, `set track_functions = 'all'`)
	insert := func(rows int) string {
		return fmt.Sprintf(`insert into tidings.comments (post_id, author_id, body)
			select 'p' || i %% 100, 'u' || i %% 1000, 'comment ' || i from generate_series(1, %d) i`, rows)
	}
	exec(t, conn, insert(100))
	few := calls(t, conn)

	begun := time.Now()
	done := start(t, conn, insert(10_000))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var through int
	var slowest time.Duration
	for inserting := true; inserting; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(explain(err))
			}
			inserting = false
		case <-tick.C:
			start := time.Now()
			exec(t, other, `select tidings.publish('post:other', 'meanwhile', '{}')`)
			slowest, through = max(slowest, time.Since(start)), through+1
		}
	}
	t.Logf("10,000 rows took %v; meanwhile %d others committed, the slowest in %v", time.Since(begun), through, slowest)

	if many := calls(t, conn); !slices.Equal(few, many) {
		t.Errorf("for 100 rows: %q\nfor 10,000 rows: %q", few, many)
	}
	got := list[int](t, watch, `select count(*) from tidings.events where name in ('new-comment', 'meanwhile') group by name order by name`)
	if want := []int{through, 10_100}; !slices.Equal(got, want) {
		t.Errorf("other events and comments in the log: %d, want %d", got, want)
	}
	countsAreRight(t, watch)
}

// calls lists how often each function of the schema was called since the last call of calls.
func calls(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	exec(t, conn, `select pg_stat_force_next_flush()`)
	defer exec(t, conn, `select pg_stat_reset()`)
	return list[string](t, conn, `
		select funcname || ' ' || calls
		from pg_stat_user_functions
		where schemaname = 'tidings' and funcname not in ('rfc3339', 'comment_data') -- Postgres may inline these
		order by 1`)
}
