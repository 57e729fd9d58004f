package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Comment is one row with its counters and its author's name.
type Comment struct {
	ID        int64
	PostID    string
	ParentID  *int64
	Author    User
	Body      string
	Status    string
	Likes     int64
	Replies   int64
	CreatedAt time.Time
	EditedAt  *time.Time
	Version   int
}

// The statuses that readers can see. A deleted comment stays as a tombstone, with
// neither body nor author, while it has replies.
const (
	StatusPublished = "published"
	StatusDeleted   = "deleted"
)

// MaxBodyRunes bounds the body of a comment; the schema enforces it.
const MaxBodyRunes = 5000

// A NewComment is what its author wrote.
type NewComment struct {
	PostID   string
	ParentID *int64
	Author   User
	Body     string // 1 to MaxBodyRunes characters, not all of them space
	// IdempotencyKey makes the author's second request with it, within
	// IdempotencyLifetime, answer as the first did. Empty for none.
	IdempotencyKey string
}

// CreateComment publishes a comment, and returns it as a trigger of the site's may have
// changed its body and its status. It returns ErrPostLocked, ErrNoParent, an
// *InvalidError, or ErrNotFound for an unknown post when posts are not created; for a
// repeated key ErrInFlight or ErrKeyReused; and ErrBusy.
func (s *Store) CreateComment(ctx context.Context, c NewComment) (Comment, error) {
	w := newWrite(ctx, c.PostID, c.Author)
	w.comment = &c
	if err := s.submit(ctx, w); err != nil {
		return Comment{}, err
	}
	return w.created, nil
}

// queueComments inserts the comments that may be, and tells the others why not.
func (s *Store) queueComments(batch *pgx.Batch, writes []*write) {
	var plain, keyed []*write
	for _, w := range writes {
		switch {
		case w.comment == nil:
		case w.comment.IdempotencyKey == "":
			plain = append(plain, w)
		default:
			keyed = append(keyed, w)
		}
	}
	s.queuePlainComments(batch, plain)
	s.queueKeyedComments(batch, keyed)
}

// queuePlainComments inserts those without an idempotency key: most of what the other
// statement costs is for the keys. What keeps a comment out here does so there.
func (s *Store) queuePlainComments(batch *pgx.Batch, asked []*write) {
	if len(asked) == 0 {
		return
	}
	c := columnsOf(asked)
	batch.Queue(`
		with asked as materialized (
			select a.*, nextval('tidings.comments_id_seq') as id,
				case
					when p.locked then 'locked'
					when p.id is null and not $5 then 'no post'
					when a.parent_id is not null and parent.id is null then 'no parent'
					else ''
				end as outcome
			from unnest($1::text[], $2::bigint[], $3::text[], $4::text[])
				with ordinality as a (post_id, parent_id, author_id, body, n)
			left join tidings.posts p on p.id = a.post_id
			left join tidings.comments parent
				on parent.post_id = a.post_id and parent.id = a.parent_id and parent.status = 'published'
		),
		inserted as (
			insert into tidings.comments (id, post_id, parent_id, author_id, body)
			select id, post_id, parent_id, author_id, body
			from asked
			where outcome = ''
			returning id, created_at, body, status
		)
		select n, outcome, id, null::timestamptz, null::text, null::text
		from asked
		union all
		select 0, '', id, created_at, body, status
		from inserted`,
		c.posts, c.parents, c.authors, c.bodies, s.autoPosts,
	).Query(answers(asked))
}

// columns are comments as arrays, for unnest.
type columns struct {
	posts, authors, bodies, keys []string
	parents                      []*int64
	fingerprints                 [][]byte
}

func columnsOf(asked []*write) (c columns) {
	for _, w := range asked {
		n := w.comment
		c.posts, c.parents = append(c.posts, n.PostID), append(c.parents, n.ParentID)
		c.authors, c.bodies = append(c.authors, n.Author.ID), append(c.bodies, n.Body)
		c.keys, c.fingerprints = append(c.keys, n.IdempotencyKey), append(c.fingerprints, n.fingerprint())
	}
	return c
}

// An entry is a comment as it stands in the table, where a trigger of the site's may
// have changed what was asked for.
type entry struct {
	id        int64
	createdAt *time.Time // nil: not known to stand there
	body      *string    // nil, as status: as asked
	status    *string
}

// answers takes the outcome of each comment, numbered from 1, should the transaction
// commit; without a number follow those that were inserted. Not joined in SQL: without a
// hash, that would be each with each.
func answers(asked []*write) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		open, inserted := make(map[int64]*write), make(map[int64]entry)
		var n int64
		var outcome string
		var e entry
		_, err := pgx.ForEachRow(rows, []any{&n, &outcome, &e.id, &e.createdAt, &e.body, &e.status}, func() error {
			if n == 0 {
				inserted[e.id] = e
				return nil
			}
			w := asked[n-1]
			switch w.err = refusals[outcome]; {
			case w.err != nil:
			case e.createdAt != nil: // known by its key
				w.created = w.comment.as(e)
			default:
				open[e.id] = w
			}
			return nil
		})
		for id, w := range open {
			if e, ok := inserted[id]; ok {
				w.created = w.comment.as(e)
			} else {
				w.err = errKeptOut
			}
		}
		return err
	}
}

// errKeptOut is of a comment that a trigger of the site's left out without a word.
var errKeptOut = &InvalidError{Detail: "the site does not take this comment"}

// as is the comment that was made of it.
func (c NewComment) as(e entry) Comment {
	made := Comment{
		ID: e.id, PostID: c.PostID, ParentID: c.ParentID, Author: c.Author, Body: c.Body,
		Status: StatusPublished, CreatedAt: *e.createdAt, Version: 1,
	}
	if e.body != nil {
		made.Body = *e.body
	}
	if e.status != nil {
		made.Status = *e.status
	}
	return made
}

// refusals are what the SQL of comments, with a key or without, has against one.
var refusals = map[string]error{
	"in flight":  ErrInFlight,
	"key reused": ErrKeyReused,
	"locked":     ErrPostLocked,
	"no post":    ErrNotFound,
	"no parent":  ErrNoParent,
}

// DeleteComment takes a comment back. Only its author may, or a moderator: others
// get ErrNotAuthor. Deleting twice is no error; ErrNotFound is.
func (s *Store) DeleteComment(ctx context.Context, id int64, by string, moderator bool) error {
	return s.writeHeld(ctx, func(tx pgx.Tx) error {
		var author string
		err := tx.QueryRow(ctx, `
			select author_id
			from tidings.comments
			where id = $1
			for no key update`, id,
		).Scan(&author)
		if err != nil {
			return err
		}
		if author != by && !moderator {
			return ErrNotAuthor
		}
		_, err = tx.Exec(ctx, `
			update tidings.comments
			set status = 'deleted'
			where id = $1 and status <> 'deleted'`, id)
		return err
	})
}
