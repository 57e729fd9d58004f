package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// shortLockTimeout is how long a group waits for a row that somebody holds.
	shortLockTimeout = 100 * time.Millisecond
	// searchLockTimeout is how long each of a group that met a lock waits, to find those who
	// meet it: many of them must not add up.
	searchLockTimeout = 5 * time.Millisecond
	// longLockTimeout is how long a write waits for one alone.
	longLockTimeout = 10 * time.Second
	// commitTimeout bounds a transaction as a whole, its wait for the log's turn with it.
	commitTimeout = 30 * time.Second
)

// A write is one hot write on its way into a transaction: a comment, an event, a like or
// an unlike. Whoever commits it fills the outcome and closes done.
type write struct {
	ctx     context.Context // of the caller, who may leave before it begins
	comment *NewComment     // or
	event   *newEvent       // or a like:
	post    string
	user    User
	unlike  bool

	holds   []string // of its keys, while it is in the slow lane
	done    chan struct{}
	err     error
	refused bool    // the database refused it, alone
	created Comment // of a comment
	likes   int64   // after the commit of a like or unlike
}

func newWrite(ctx context.Context, post string, by User) *write {
	return &write{ctx: ctx, post: post, user: by, done: make(chan struct{})}
}

// fail is the outcome of a write that wasn't made.
func (w *write) fail(err error) {
	w.err = err
	close(w.done)
}

// finish gives writes their outcome: the transaction's error, else each its own.
func finish(writes []*write, err error) {
	for _, w := range writes {
		if err != nil {
			w.err = translate(err)
			w.refused = retryable(err) && len(writes) == 1
		}
		close(w.done)
	}
}

// keys are what the write may have to wait for.
func (w *write) keys() []string {
	if w.event != nil {
		return nil
	}
	return []string{"post:" + w.post, "user:" + w.user.ID}
}

// isLike reports whether it is a like or an unlike.
func (w *write) isLike() bool { return w.comment == nil && w.event == nil }

// submit makes a write, in a group or alone, and returns its error.
func (s *Store) submit(ctx context.Context, w *write) error {
	if s.group != nil {
		return s.group.submit(ctx, w)
	}
	s.commitAlone(ctx, w)
	return w.err
}

// commitAlone makes one write, waits longer for its locks, and finishes it.
func (s *Store) commitAlone(ctx context.Context, w *write) {
	if err := w.ctx.Err(); err != nil { // the client has left while it waited
		w.fail(err)
		return
	}
	err := s.commit(ctx, []*write{w}, longLockTimeout)
	if isKeyTaken(err) {
		err = s.commit(ctx, []*write{w}, longLockTimeout)
	}
	if isLocked(err) {
		err = ErrBusy
	}
	finish([]*write{w}, err)
}

func isKeyTaken(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == "idempotency_pkey"
}

func isLocked(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == pgerrcode.LockNotAvailable || pg.Code == pgerrcode.DeadlockDetected)
}

// commit makes all writes in one transaction and one round trip. What is wrong with
// a single write (a locked post) is in its err, and costs the others nothing; an
// error that is returned is the transaction's: the database has refused it, or is
// unreachable and may have committed it.
//
// Rows may be held by others, so waits are bounded, those of the foreign keys at COMMIT
// as well. The log's turn is not a row: it is waited for as long as it takes.
func (s *Store) commit(ctx context.Context, writes []*write, lockTimeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level read committed")
	queueSettings(batch, lockTimeout)
	queueUsers(batch, writes)
	s.queueComments(batch, writes)
	s.queueLikes(batch, writes)
	queueEvents(batch, writes)
	committed := false
	batch.Queue("commit").Exec(func(pgconn.CommandTag) error { committed = true; return nil })
	s.queueLikeCounts(batch, writes)

	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	err = conn.SendBatch(ctx, batch).Close()
	if committed { // must not be made again, whatever came after it
		leaveUncounted(writes, err)
		return nil
	}
	if err != nil {
		if _, rollback := conn.Exec(ctx, "rollback"); rollback != nil {
			err = fmt.Errorf("%w (%w)", err, rollback)
		}
		return err
	}
	return nil
}

// leaveUncounted tells likes and unlikes that were written why nobody could read what
// they came to. They may be repeated.
func leaveUncounted(writes []*write, err error) {
	if err == nil {
		return
	}
	for _, w := range writes {
		if w.isLike() {
			w.err = fmt.Errorf("%w: read counts: %w", ErrUnavailable, err)
		}
	}
}

// queueSettings makes settings for the rest of the transaction.
//
// Plans are kept for the life of the connection, as the triggers' are, and for the
// same reasons (migrations/functions/flush.sql): made once, and right for any size. So a join is a
// lookup by index for each of our few rows: one that hashes a table, or begins with
// it, because it was empty then, would read all of it for every commit later.
func queueSettings(batch *pgx.Batch, lockTimeout time.Duration) {
	batch.Queue(`
		select
			set_config('tidings.turn_timeout', current_setting('lock_timeout'), true),
			set_config('lock_timeout', $1, true),
			set_config('plan_cache_mode', 'force_generic_plan', true),
			set_config('enable_seqscan', 'off', true),
			set_config('enable_hashjoin', 'off', true),
			set_config('enable_mergejoin', 'off', true),
			set_config('enable_material', 'off', true),
			set_config('jit', 'off', true)`,
		fmt.Sprint(lockTimeout.Milliseconds()))
}

// queueUsers notes the users as their tokens describe them. The rows are looked at
// first: an upsert locks what it finds, changed or not.
func queueUsers(batch *pgx.Batch, writes []*write) {
	users := make(map[string]User)
	for _, w := range writes {
		if !w.unlike && w.event == nil {
			users[w.user.ID] = w.user
		}
	}
	if len(users) == 0 {
		return
	}
	var ids, names []string
	var avatars []*string
	for _, u := range users {
		ids, names, avatars = append(ids, u.ID), append(names, u.Name), append(avatars, u.AvatarURL)
	}
	batch.Queue(`
		insert into tidings.users (id, name, avatar_url)
		select id, name, avatar_url
		from unnest($1::text[], $2::text[], $3::text[]) as said (id, name, avatar_url)
		where not exists (
			select from tidings.users u
			where u.id = said.id and u.name = said.name and u.avatar_url is not distinct from said.avatar_url
		)
		order by id
		on conflict (id) do update
		set name = excluded.name,
			avatar_url = excluded.avatar_url,
			updated_at = clock_timestamp()`, ids, names, avatars)
}
