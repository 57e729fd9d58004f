package store

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lookForTriggers is the time between two looks for triggers of the site. A look takes 0.1 ms.
const lookForTriggers = 100 * time.Millisecond

// siteTriggers is whether the site has triggers on the tables that a new comment writes to. They
// may change or delete the comment at the end of the statement or at COMMIT.
type siteTriggers struct {
	mu    sync.Mutex // guards the fields below
	exist bool
	until time.Time // when to look again
}

// queue looks for triggers, as a part of a transaction, unless the last look was just before.
func (s *siteTriggers) queue(batch *pgx.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.until) {
		return
	}
	batch.Queue(`
		select exists (
			select
			from pg_trigger
			join pg_proc on pg_proc.oid = tgfoid
			where tgrelid in (
					to_regclass('tidings.comments'), to_regclass('tidings.posts'),
					to_regclass('tidings.users'), to_regclass('tidings.notifications')
				)
				and not tgisinternal
				and pronamespace <> to_regnamespace('tidings')
		)`).QueryRow(func(row pgx.Row) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.until = time.Now().Add(lookForTriggers)
		return row.Scan(&s.exist)
	})
}

func (s *siteTriggers) found() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exist
}

// readCommentsAfter makes the comments of a transaction that has committed the outcomes of its
// writes, if there are triggers of the site. A comment without a row was refused by the site.
func (c committer) readCommentsAfter(ctx context.Context, conn *pgxpool.Conn, writes []*commentWrite) error {
	var ids []int64
	created := make(map[int64][]*commentWrite) // several if they have one idempotency key
	for _, w := range writes {
		if w.err != nil {
			continue
		}
		if !w.created.Repeated { // inserted by this transaction
			ids = append(ids, w.created.ID)
		}
		created[w.created.ID] = append(created[w.created.ID], w)
	}
	if len(ids) == 0 || !c.triggers.found() {
		return nil
	}
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level read committed read only")
	queueLocal(batch, c.pooled)
	batch.Queue(`
		select given.id, c.id is not null, c.created_at, c.body, c.status, c.post_id, c.parent_id, c.author_id,
			c.edited_at, coalesce(c.version, 1), c.root_id
		from unnest($1::bigint[]) as given (id)
		left join lateral (
			select `+insertedColumns+`
			from tidings.comments
			where comments.id = given.id
			offset 0 -- looks each up by index
		) as c on true`, ids,
	).Query(func(rows pgx.Rows) error {
		var exists bool
		var row storedComment
		_, err := pgx.ForEachRow(rows, []any{
			&row.id, &exists, &row.createdAt, &row.body, &row.status, &row.postID, &row.parentID, &row.author,
			&row.editedAt, &row.version, &row.rootID,
		}, func() error {
			for _, w := range created[row.id] {
				w.isAfter(row, exists)
			}
			return nil
		})
		return err
	})
	batch.Queue("commit")
	return conn.SendBatch(ctx, batch).Close()
}

// isAfter sets the outcome of a write from its row after the commit.
func (w *commentWrite) isAfter(row storedComment, exists bool) {
	if !exists {
		w.created, w.err = Comment{}, errNotInserted
		return
	}
	repeated := w.created.Repeated
	w.created = w.as(row)
	w.created.Repeated = repeated
}
