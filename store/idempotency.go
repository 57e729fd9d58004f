package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
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
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s", c.PostID, parent, c.Body))
	return sum[:]
}

// insertKeyedComments inserts comments with idempotency keys, or answers from the keys. The
// answer to a known key is the comment as it is now. A comment that was rejected, deleted or
// removed since is answered with status 'deleted', without author and body.
//
// A transaction holds an advisory lock for each of its keys. A second request that does
// not get the lock, on any instance, is in flight. A second request that gets the lock
// just after the first one has committed may not see the first one's row yet. It then
// violates idempotency_pkey, and the transaction is repeated with a new snapshot.
const insertKeyedComments = `
	with checked as materialized (
		select g.*, nextval('tidings.comments_id_seq') as id,
			known.comment_id, known.created_at as known_at,
			case when answer.visible then answer.body else '' end as known_body,
			case when answer.visible then answer.status else 'deleted' end as known_status,
			answer.post_id as known_post_id, answer.parent_id as known_parent_id, answer.author_id as known_author_id,
			case when answer.visible then answer.edited_at end as known_edited_at,
			coalesce(answer.version, 1) as known_version,
			case
				when not pg_try_advisory_xact_lock(hashtextextended(g.author_id || ' ' || g.key, 79)) then 'in flight'
				when known.fingerprint <> g.fingerprint then 'key reused'
				when known.fingerprint = g.fingerprint then 'known'
				` + commentRefusals + `
			end as refusal
		from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $6::text[], $7::bytea[])
			with ordinality as g (post_id, parent_id, author_id, body, key, fingerprint, n)
		` + commentLookups + `
		left join tidings.idempotency known
			on known.user_id = g.author_id and known.key = g.key
		left join lateral (
			select post_id, parent_id, author_id, body, status, edited_at, version, status in ('published', 'pending') as visible
			from tidings.comments
			where comments.id = known.comment_id
			offset 0
		) as answer on true
	),
	inserted as (` + insertComments + `
	),
	remembered as (
		insert into tidings.idempotency (user_id, key, fingerprint, comment_id, created_at)
		select checked.author_id, key, fingerprint, id, inserted.created_at
		from checked
		join inserted using (id)
	)
	select n, refusal, coalesce(comment_id, id), known_at, known_body, known_status,
		known_post_id, known_parent_id, known_author_id, known_edited_at, known_version
	from checked
	union all` + insertedComments

func queueKeyedComments(batch *pgx.Batch, writes []*commentWrite, autoPosts bool) {
	if len(writes) == 0 {
		return
	}
	c := columnsOf(writes)
	queueDeleteExpiredKeys(batch, c.authors, c.keys)
	batch.Queue(insertKeyedComments, c.posts, c.parents, c.authors, c.bodies, autoPosts, c.keys, c.fingerprints).
		Query(takeComments(writes))
}

// KnowsKey reports whether a comment of the user has this idempotency key. A second
// request with the key then creates nothing.
func (s *Store) KnowsKey(ctx context.Context, user, key string) (known bool, err error) {
	err = s.read(ctx, rowQuery([]any{&known}, `
		select exists (
			select from tidings.idempotency
			where user_id = $1
				and key = $2
				and created_at > statement_timestamp() - $3::interval
		)`, user, key, IdempotencyLifetime))
	return known, err
}

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
