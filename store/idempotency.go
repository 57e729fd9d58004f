package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/group"
)

// IdempotencyLifetime is how long a key is remembered.
const IdempotencyLifetime = 24 * time.Hour

// fingerprint identifies the content of a request. It leaves out author and key, which
// are the key of the table. It is nil without a key.
func (c NewComment) fingerprint() []byte {
	if c.IdempotencyKey == "" {
		return nil
	}
	parent := "none"
	if c.ParentID != nil {
		parent = fmt.Sprint(*c.ParentID)
	}
	text := fmt.Appendf(nil, "%s\n%s\n%s", c.PostID, parent, c.Body)
	if len(c.Mentions) > 0 { // a version before mentions made the same text of the rest
		text = fmt.Appendf(text, "\x00%q", c.Mentions)
	}
	if c.CreatedAt != nil {
		text = fmt.Appendf(text, "\x00%d", c.CreatedAt.UnixMicro())
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// claimTimeout bounds the wait for a key that another transaction has claimed.
const claimTimeout = 5 * time.Millisecond

// claimKeys inserts the keys that are unknown, each with the id and time of its comment. A
// transaction claims its keys before all else. Another transaction with one of the keys, on
// any instance, waits for the end of this one: after claimTimeout its request is in flight.
// No other role can write to the table, so no other role can hold a key.
const claimKeys = `
	insert into tidings.idempotency (user_id, key, fingerprint, comment_id, created_at)
	select user_id, key, fingerprint, nextval('tidings.comments_id_seq'), clock_timestamp()
	from unnest($1::text[], $2::text[], $3::bytea[]) as given (user_id, key, fingerprint)
	order by user_id, key -- the same order in all transactions, so that none deadlock
	on conflict do nothing`

// insertKeyedComments inserts the comments whose keys this transaction has claimed, and
// answers the others from their keys. The answer to a known key is the comment as it is
// now. A comment that was rejected, deleted or removed since is answered with status
// 'deleted', without author and body. A key that is not there has just expired.
const insertKeyedComments = `
	with checked as materialized (
		select g.*, known.comment_id as id,
			coalesce(answer.created_at, g.written_at, known.created_at) as known_at,
			case when answer.visible then answer.body else '' end as known_body,
			case when answer.visible then answer.status else 'deleted' end as known_status,
			answer.post_id as known_post_id, answer.parent_id as known_parent_id, answer.author_id as known_author_id,
			case when answer.visible then answer.edited_at end as known_edited_at,
			coalesce(answer.version, 1) as known_version, answer.root_id as known_root_id,
			case
				when known.key is null then 'in flight'
				when known.xmin <> pg_current_xact_id()::xid and known.fingerprint <> g.fingerprint then 'key reused'
				when known.xmin <> pg_current_xact_id()::xid then 'known'
				` + commentRefusals + `
			end as refusal
		from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $6::text[], $7::bytea[], $8::text[], $9::timestamptz[])
			with ordinality as g (post_id, parent_id, author_id, body, key, fingerprint, mentions, written_at, n)
		` + commentLookups + `
		left join tidings.idempotency known
			on known.user_id = g.author_id and known.key = g.key
		left join lateral (
			select post_id, parent_id, author_id, body, status, created_at, edited_at, version, root_id,
				status in ('published', 'pending') as visible
			from tidings.comments
			where comments.id = known.comment_id
			offset 0
		) as answer on true
	),
	inserted as (
		insert into tidings.comments (id, post_id, parent_id, author_id, body, created_at, mentions)
		select id, post_id, parent_id, author_id, body, known_at, string_to_array(mentions, ' ')
		from checked
		where refusal = ''
		returning ` + insertedColumns + `
	)
	select n, refusal, coalesce(id, 0), case when refusal = 'known' then known_at end, known_body, known_status,
		known_post_id, known_parent_id, known_author_id, known_edited_at, known_version, known_root_id
	from checked
	union all` + insertedComments

// releaseKeys deletes the keys of this transaction whose comment was not inserted.
const releaseKeys = `
	delete from tidings.idempotency
	where ctid = any (array(
		select claimed.ctid
		from unnest($1::text[], $2::text[]) as given (user_id, key)
		cross join lateral (
			select i.ctid
			from tidings.idempotency i
			where i.user_id = given.user_id
				and i.key = given.key
				and i.xmin = pg_current_xact_id()::xid
				and not exists (select from tidings.comments where id = i.comment_id offset 0)
			offset 0
		) as claimed
	))`

// queueClaims claims the keys of comments.
func queueClaims(batch *pgx.Batch, writes []*commentWrite, lockWait time.Duration) {
	keyed, _ := distinctKeys(writes)
	if len(keyed) == 0 {
		return
	}
	c := columnsOf(keyed)
	queueDeleteExpiredKeys(batch, c.authors, c.keys)
	batch.Queue(`select set_config('lock_timeout', $1, true)`, milliseconds(claimTimeout))
	batch.Queue(claimKeys, c.authors, c.keys, c.fingerprints)
	batch.Queue(`select set_config('lock_timeout', $1, true)`, milliseconds(lockWait))
}

func queueKeyedComments(batch *pgx.Batch, writes []*commentWrite, autoPosts bool) {
	if len(writes) == 0 {
		return
	}
	keyed, repeated := distinctKeys(writes)
	c := columnsOf(keyed)
	batch.Queue(insertKeyedComments, c.posts, c.parents, c.authors, c.bodies, autoPosts, c.keys, c.fingerprints, c.mentions, c.times).
		Query(func(rows pgx.Rows) error {
			err := takeComments(keyed)(rows)
			for w, first := range repeated {
				w.repeat(first)
			}
			return err
		})
	batch.Queue(releaseKeys, c.authors, c.keys)
}

// distinctKeys returns the writes with an idempotency key, one for each key, and maps
// further ones to the one with the same key.
func distinctKeys(writes []*commentWrite) (keyed []*commentWrite, repeated map[*commentWrite]*commentWrite) {
	firsts := make(map[group.Key]*commentWrite)
	repeated = make(map[*commentWrite]*commentWrite)
	for _, w := range writes {
		if w.IdempotencyKey == "" {
			continue
		}
		key := w.idempotencyKey()
		if firsts[key] == nil {
			firsts[key], keyed = w, append(keyed, w)
		} else {
			repeated[w] = firsts[key]
		}
	}
	return keyed, repeated
}

// repeat answers a write with the outcome of an earlier one of the same transaction, which
// has the same key.
func (w *commentWrite) repeat(first *commentWrite) {
	w.created, w.err = first.created, first.err
	w.created.Repeated = true
	if !bytes.Equal(w.fingerprint(), first.fingerprint()) {
		w.created, w.err = Comment{}, ErrKeyReused
		if first.err != nil { // the key is free again
			w.err = ErrInFlight
		}
	}
}

// setInFlight sets the error of a write whose key another transaction has claimed. It
// reports whether err, of a transaction of these writes, means that.
func setInFlight(writes []group.Write, err error) bool {
	var locked *group.LockedError
	if len(writes) != 1 || !errors.As(err, &locked) || locked.Whole || locked.Table != idempotencyTable {
		return false
	}
	w, ok := writes[0].(*commentWrite)
	if !ok || w.IdempotencyKey == "" {
		return false
	}
	w.err = ErrInFlight
	return true
}

// CheckKey reports whether a comment of the user has this idempotency key: a second request
// with the key then creates nothing. It returns ErrInFlight while the first request has no
// outcome, on any instance.
func (s *Store) CheckKey(ctx context.Context, user, key string) (known bool, err error) {
	err = s.read(ctx, rowQuery([]any{&known}, `
		select exists (
			select from tidings.idempotency
			where user_id = $1
				and key = $2
				and created_at > statement_timestamp() - $3::interval
		)`, user, key, IdempotencyLifetime))
	switch {
	case err != nil || known:
		return known, err
	case s.claims.has(idempotencyKey(user, key)):
		return false, ErrInFlight
	}
	// A claim shows whether another transaction has one. It is rolled back.
	err = s.tryWrite(ctx, claimTimeout, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, claimKeys, []string{user}, []string{key}, [][]byte{{}})
		if err == nil {
			known, err = tag.RowsAffected() == 0, errProbed
		}
		return err
	})
	switch {
	case errors.Is(err, errProbed):
		return known, nil
	case errors.Is(err, group.ErrLocked):
		return false, ErrInFlight
	}
	return false, translate(err)
}

// errProbed rolls a transaction back that was made only to look for a lock.
var errProbed = errors.New("rolled back")

// queueDeleteExpiredKeys deletes those of the given keys that have expired, so that they
// can be used again. deleteExpiredKeys deletes all others, later.
func queueDeleteExpiredKeys(batch *pgx.Batch, authors, keys []string) {
	batch.Queue(`
		delete from tidings.idempotency
		where ctid = any (array(
			select expired.ctid
			from unnest($1::text[], $2::text[]) as given (user_id, key)
			cross join lateral (
				select i.ctid
				from tidings.idempotency i
				where i.user_id = given.user_id
					and i.key = given.key
					and i.created_at <= statement_timestamp() - $3::interval
				offset 0
			) as expired
		))`,
		authors, keys, IdempotencyLifetime)
}

// deleteExpiredKeys deletes all keys that have expired, in transactions of trimBatch.
func (s *Store) deleteExpiredKeys(ctx context.Context) error {
	for {
		var deleted int64
		err := s.write(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, `
				delete from tidings.idempotency
				where ctid = any (array(
					select ctid
					from tidings.idempotency
					where created_at <= statement_timestamp() - $1::interval
					order by created_at
					limit $2
					for update skip locked
				))`, IdempotencyLifetime, trimBatch)
			deleted = tag.RowsAffected()
			return err
		})
		if err != nil || deleted < trimBatch {
			return err
		}
	}
}
