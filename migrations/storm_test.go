package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	stormWriters      = 12
	stormTransactions = 15 // per writer
)

// While twelve writers run random transactions, a reader that asks for `position > last`
// must get exactly the log: no event may become visible below a position it has seen.
func TestLog_ReadersMissNothingUnderConcurrentWrites(t *testing.T) {
	t.Parallel()

	watch, dsn := database(t)
	exec(t, watch, `insert into tidings.posts (id, author_id) select 'p' || i, 'u' || i from generate_series(0, 4) i`)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)

	var writers sync.WaitGroup
	for i := range stormWriters {
		conn := connect(t, dsn)
		writers.Go(func() {
			w := writer{t, conn, rand.New(rand.NewPCG(seed, uint64(i))), i}
			if i == 0 {
				w.long()
			} else {
				w.run()
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		writers.Wait()
		close(finished)
	}()
	seen := follow(t, connect(t, dsn), finished)

	log := list[int64](t, watch, `select position from tidings.events order by position`)
	if !slices.Equal(seen, log) {
		t.Errorf("the reader has read %d events, the log has %d", len(seen), len(log))
	}
	times := list[time.Time](t, watch, `select created_at from tidings.events order by position`)
	if !slices.IsSortedFunc(times, time.Time.Compare) {
		t.Error("the order of positions is not the order of times")
	}
	countsAreRight(t, watch)
	leavesNothing(t, watch)
	t.Logf("%d events", len(log))
}

// follow reads the log as a server does, until the writers have finished and nothing is left.
func follow(t *testing.T, conn *pgx.Conn, finished <-chan struct{}) (seen []int64) {
	var last int64
	for over := false; ; {
		select {
		case <-finished:
			over = true
		default:
		}
		batch := list[int64](t, conn, `select position from tidings.events where position > $1 order by position limit 100`, last)
		if len(batch) > 0 {
			seen, last = append(seen, batch...), batch[len(batch)-1]
		} else if over {
			return seen
		} else {
			<-time.After(time.Millisecond) // leaves the cores to the writers
		}
	}
}

// countsAreRight fails the test if the newest counts do not match the rows, by a query here
// and by tidings.recount.
func countsAreRight(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	wrong := list[string](t, conn, `
		with fact as (
			select 'post:' || id as target,
				(select count(*) from tidings.comments c where c.post_id = p.id and status = 'published') as comments,
				(select count(*) from tidings.likes l where l.post_id = p.id and comment_id is null) as likes,
				0 as unread,
				0 as thread
			from tidings.posts p
			union all
			select 'comment:' || id,
				(select count(*) from tidings.comments r where r.parent_id = c.id and status = 'published'),
				(select count(*) from tidings.likes l where l.comment_id = c.id),
				0,
				(select count(*) from tidings.comments r where r.root_id = c.id and status = 'published')
			from tidings.comments c
			union all
			select 'moderation', count(*), 0, 0, 0 from tidings.comments where status = 'pending'
			union all
			select 'user:' || user_id, 0, 0, count(distinct case kind when 'like' then concat_ws(' ', post_id, comment_id) else id::text end), 0
			from tidings.notifications where read_at is null group by user_id
		),
		noted as (
			select target, comments, likes, unread, thread
			from tidings.counts c
			where position = (select max(position) from tidings.counts n where n.target = c.target)
		)
		select format('%s: %s, noted %s', target, fact, noted)
		from fact full join noted using (target)
		where (coalesce(fact.comments, 0), coalesce(fact.likes, 0), coalesce(fact.unread, 0), coalesce(fact.thread, 0))
			is distinct from (coalesce(noted.comments, 0), coalesce(noted.likes, 0), coalesce(noted.unread, 0), coalesce(noted.thread, 0))`)
	if len(wrong) > 0 {
		t.Errorf("%d counts are wrong: %q", len(wrong), wrong[:min(len(wrong), 10)])
	}
	if n := value[int](t, conn, `select tidings.recount()`); n != 0 {
		t.Errorf("recount repaired %d", n)
	}
}

// A writer runs random transactions.
type writer struct {
	t    *testing.T
	conn *pgx.Conn
	rand *rand.Rand
	id   int
}

func (w writer) run() {
	for range stormTransactions {
		w.must(w.transaction())
	}
}

// long keeps a transaction open until the others have written 200 events, then commits.
func (w writer) long() {
	for range 3 {
		w.must(w.exec(`begin; insert into tidings.comments (post_id, author_id, body) values ('own', 'long', 'x')`))
		for start := w.head(); w.head() < start+200 && w.others(); {
			w.must(w.exec(w.statement(adding)))
		}
		w.must(w.exec(`commit`))
	}
}

// transaction commits or rolls back a few random statements, some of them in savepoints.
func (w writer) transaction() error {
	any := func() string { return w.statement(len(statements)) }
	script := []string{`begin`}
	for range 1 + w.rand.IntN(5) {
		switch w.rand.IntN(6) {
		case 0:
			script = append(script, `savepoint s`, any(), any(), `rollback to s`)
		case 1:
			script = append(script, `savepoint s`, any(), `release s`)
		case 2:
			script = append(script, any()+`; `+any())
		default:
			script = append(script, any())
		}
	}
	end := `commit`
	if w.rand.IntN(5) == 0 {
		end = `rollback`
	}
	for _, sql := range append(script, end) {
		if err := w.exec(sql); err != nil {
			return errors.Join(err, w.exec(`rollback`))
		}
	}
	return nil
}

// statements are about one of five posts and by one writer. The first ones only insert, so
// no other transaction waits for one that has run them.
var statements = []string{
	`insert into tidings.comments (post_id, author_id, body) values ('POST', 'ME', 'x')`,
	`insert into tidings.comments (post_id, author_id, body) select 'POST', 'ME', 'y' from generate_series(1, 3)`,
	`insert into tidings.comments (post_id, parent_id, author_id, body)
		select post_id, id, 'ME', 'z' from tidings.comments where post_id = 'POST' order by random() limit 1`,
	`insert into tidings.likes (post_id, user_id) values ('POST', 'ME') on conflict do nothing`,
	`insert into tidings.likes (post_id, comment_id, user_id)
		select post_id, id, 'ME' from tidings.comments where post_id = 'POST' order by random() limit 2 on conflict do nothing`,
	`select tidings.publish('post:POST', 'x', '{}')`,

	`delete from tidings.likes where user_id = 'ME'`,
	`update tidings.comments set body = body || '!' where author_id = 'ME' and post_id = 'POST'`,
	`update tidings.comments set status = (array['published', 'pending', 'deleted'])[1 + (random() * 2)::int]
		where author_id = 'ME' and status <> 'deleted' and id % 5 = 0`,
	`delete from tidings.comments c where author_id = 'ME' and post_id = 'POST'
		and not exists (select from tidings.comments r where r.parent_id = c.id)`,
}

const adding = 6 // how many of the statements only insert

func (w writer) statement(among int) string {
	post, me := fmt.Sprintf("p%d", w.rand.IntN(5)), fmt.Sprintf("u%d", w.id)
	return strings.NewReplacer("POST", post, "ME", me).Replace(statements[w.rand.IntN(among)])
}

func (w writer) exec(sql string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	_, err := w.conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// must fails the test for an error, except those that concurrent writers may get: the
// parent of a reply has been deleted, or two writers have deadlocked.
func (w writer) must(err error) {
	var pg *pgconn.PgError
	if err == nil || errors.As(err, &pg) && slices.Contains(
		[]string{pgerrcode.ForeignKeyViolation, pgerrcode.DeadlockDetected, pgerrcode.InFailedSQLTransaction}, pg.Code) {
		return
	}
	w.t.Errorf("writer %d: %v", w.id, explain(err))
}

func (w writer) head() (position int64) {
	err := w.conn.QueryRow(w.t.Context(), `select tidings.head()`).Scan(&position)
	if err != nil {
		position = 1 << 62 // the transaction has failed, so stop waiting
	}
	return position
}

// others reports whether another transaction is open.
func (w writer) others() (there bool) {
	w.must(w.conn.QueryRow(w.t.Context(), `
		select count(*) > 1
		from pg_stat_activity
		where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()`).Scan(&there))
	return there
}
