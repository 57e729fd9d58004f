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

// fingerprint is the same for the same request: its author and key are looked up by.
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

// queueKeyedComments inserts those with one. What else may keep a comment out is the same
// as in queuePlainComments, and changes with it.
//
// A key is held for as long as its transaction runs, on any instance, by an advisory
// lock; whoever doesn't get it knows that the first is still in flight. Who gets it just
// after the first has committed doesn't see its row yet, and runs into it: the
// transaction fails, and alone, later, it sees the row.
func (s *Store) queueKeyedComments(batch *pgx.Batch, asked []*write) {
	if len(asked) == 0 {
		return
	}
	c := columnsOf(asked)
	queueForgetKeys(batch, c.authors, c.keys)
	batch.Queue(`
		with asked as materialized (
			select a.*, nextval('tidings.comments_id_seq') as id,
				known.comment_id, known.created_at as known_at, known.body as known_body, known.status as known_status,
				case
					when not pg_try_advisory_xact_lock(hashtextextended(a.author_id || ' ' || a.key, 79)) then 'in flight'
					when known.fingerprint <> a.fingerprint then 'key reused'
					when known.fingerprint = a.fingerprint then 'known'
					when p.locked then 'locked'
					when p.id is null and not $7 then 'no post'
					when a.parent_id is not null and parent.id is null then 'no parent'
					else ''
				end as outcome
			from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[])
				with ordinality as a (post_id, parent_id, author_id, body, key, fingerprint, n)
			left join tidings.posts p on p.id = a.post_id
			left join tidings.comments parent
				on parent.post_id = a.post_id and parent.id = a.parent_id and parent.status = 'published'
			left join tidings.idempotency known
				on known.user_id = a.author_id and known.key = a.key
		),
		inserted as (
			insert into tidings.comments (id, post_id, parent_id, author_id, body)
			select id, post_id, parent_id, author_id, body
			from asked
			where outcome = ''
			returning id, created_at, body, status
		),
		remembered as (
			insert into tidings.idempotency (user_id, key, fingerprint, comment_id, created_at, body, status)
			select author_id, key, fingerprint, id, created_at,
				nullif(inserted.body, asked.body), nullif(status, 'published')
			from asked
			join inserted using (id)
		)
		select n, outcome, coalesce(comment_id, id), known_at, known_body, known_status
		from asked
		union all
		select 0, '', id, created_at, body, status
		from inserted`,
		c.posts, c.parents, c.authors, c.bodies, c.keys, c.fingerprints, s.autoPosts,
	).Query(answers(asked))
}

// forgetKeys removes the keys that have expired and that nobody asks for again.
func (s *Store) forgetKeys(ctx context.Context) error {
	for {
		var gone int64
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
			gone = tag.RowsAffected()
			return err
		})
		if err != nil || gone < trimBatch {
			return err
		}
	}
}

// queueForgetKeys removes the keys among these that have expired.
func queueForgetKeys(batch *pgx.Batch, authors, keys []string) {
	batch.Queue(`
		delete from tidings.idempotency
		where ctid = any (array(
			select expired.ctid
			from unnest($1::text[], $2::text[]) as asked (user_id, key)
			cross join lateral (
				select i.ctid
				from tidings.idempotency i
				where i.user_id = asked.user_id
					and i.key = asked.key
					and i.created_at <= statement_timestamp() - $3::interval
				offset 0
			) as expired
		))`,
		authors, keys, IdempotencyLifetime)
}
