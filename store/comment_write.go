package store

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/group"
)

// A commentWrite is the [group.Write] of a new comment.
type commentWrite struct {
	NewComment

	author  User // as it is stored when the comment is
	created Comment
	err     error // error of this comment only
}

// Keys implements [group.Write].
func (w *commentWrite) Keys() []group.Key {
	keys := append(tableKeys("users", "posts", "comments", "notifications"), postKey(w.PostID), authorKey(w.Author))
	if w.ParentID != nil {
		keys = append(keys, rowOfComment(*w.ParentID))
	}
	if w.IdempotencyKey != "" {
		keys = append(keys, group.Key{Table: idempotencyTable}, w.idempotencyKey())
	}
	return keys
}

func (w *commentWrite) idempotencyKey() group.Key {
	return idempotencyKey(w.Author.ID, w.IdempotencyKey)
}

// Source implements [group.Write].
func (w *commentWrite) Source() string { return userKey(w.Author) }

// Risky implements [group.Write].
func (w *commentWrite) Risky() bool {
	return !storable(w.Body) || utf8.RuneCountInString(w.Body) > MaxBodyRunes || !storable(w.Author.Name)
}

// queueComments inserts the comments that may be inserted, and sets the error of the
// others. There are two statements, because most of the cost of the statement for comments
// with an idempotency key is for the keys.
func queueComments(batch *pgx.Batch, writes []*commentWrite, autoPosts bool) {
	var plain, keyed []*commentWrite
	for _, w := range writes {
		if w.IdempotencyKey == "" {
			plain = append(plain, w)
		} else {
			keyed = append(keyed, w)
		}
	}
	queuePlainComments(batch, plain, autoPosts)
	queueKeyedComments(batch, keyed, autoPosts)
}

// Parts of the two statements that insert comments from the rows g. $1 to $4 and later ones are
// the columns of commentColumns, $5 says whether unknown posts are created. commentErrors has
// the errors for the refusals.
const (
	// commentRefusals are branches of a CASE whose value is the refusal of a comment.
	commentRefusals = `
		when p.locked then 'locked'
		when p.id is null and not $5 then 'no post'
		when g.parent_id is not null and parent.id is null then 'no parent'
		else ''`

	// commentLookups join the rows that commentRefusals needs.
	commentLookups = `
		left join tidings.posts p on p.id = g.post_id
		left join tidings.comments parent
			on parent.post_id = g.post_id and parent.id = g.parent_id and parent.status = 'published'`

	// insertedColumns are the columns of the comments that were inserted.
	insertedColumns = `id, created_at, body, status, post_id, parent_id, author_id, edited_at, version, root_id`

	// insertComments inserts the comments that are not refused.
	insertComments = `
		insert into tidings.comments (id, post_id, parent_id, author_id, body, mentions, created_at)
		select id, post_id, parent_id, author_id, body, string_to_array(mentions, ' '), coalesce(written_at, clock_timestamp())
		from checked
		where refusal = ''
		returning ` + insertedColumns

	// insertedComments selects them, and asRequested the columns that comments which are
	// not inserted do not have.
	insertedComments = `
		select 0, '', ` + insertedColumns + `
		from inserted`
	asRequested = `null::text, null::bigint, null::text`
)

const insertPlainComments = `
	with checked as materialized (
		select g.*, nextval('tidings.comments_id_seq') as id,
			case ` + commentRefusals + `
			end as refusal
		from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $6::text[], $7::timestamptz[])
			with ordinality as g (post_id, parent_id, author_id, body, mentions, written_at, n)
		` + commentLookups + `
	),
	inserted as (` + insertComments + `
	)
	select n, refusal, id, null::timestamptz, null::text, null::text, ` + asRequested + `, null::timestamptz, 1, null::bigint
	from checked
	union all` + insertedComments

func queuePlainComments(batch *pgx.Batch, writes []*commentWrite, autoPosts bool) {
	if len(writes) == 0 {
		return
	}
	c := columnsOf(writes)
	batch.Queue(insertPlainComments, c.posts, c.parents, c.authors, c.bodies, autoPosts, c.mentions, c.times).Query(takeComments(writes))
}

// commentColumns are comments as arrays, for unnest.
type commentColumns struct {
	posts, authors, bodies, keys []string
	mentions                     []string // each is ids, separated by a space
	times                        []*time.Time
	parents                      []*int64
	fingerprints                 [][]byte
}

func columnsOf(writes []*commentWrite) (c commentColumns) {
	for _, w := range writes {
		c.posts, c.parents = append(c.posts, w.PostID), append(c.parents, w.ParentID)
		c.authors, c.bodies = append(c.authors, w.Author.ID), append(c.bodies, w.Body)
		c.mentions, c.times = append(c.mentions, strings.Join(w.Mentions, " ")), append(c.times, w.CreatedAt)
		c.keys, c.fingerprints = append(c.keys, w.IdempotencyKey), append(c.fingerprints, w.fingerprint())
	}
	return c
}

// A storedComment has the columns of a row that the database may have set or changed.
type storedComment struct {
	id        int64
	createdAt *time.Time // nil in the rows of new comments, which may not have been inserted
	body      *string    // nil: as the author sent it
	status    *string    // nil: published
	postID    *string    // nil: as the author sent it; so are the next two
	parentID  *int64
	author    *string
	editedAt  *time.Time // nil: never edited
	version   int
	rootID    *int64
}

// takeComments returns the function that reads the result of the statement and sets the
// outcome of each write. A row with n > 0 belongs to the write with the index n-1. A row
// with n = 0 is an inserted comment. Go joins the two by id: a join in SQL without hashing
// would compare each row with each other.
func takeComments(writes []*commentWrite) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var allowed []allowedComment
		var inserted []storedComment
		var n int64
		var refusal string
		var c storedComment
		_, err := pgx.ForEachRow(rows, []any{
			&n, &refusal, &c.id, &c.createdAt, &c.body, &c.status, &c.postID, &c.parentID, &c.author,
			&c.editedAt, &c.version, &c.rootID,
		}, func() error {
			if n == 0 {
				inserted = append(inserted, c)
				return nil
			}
			w := writes[n-1]
			switch w.err = commentErrors[refusal]; {
			case w.err != nil:
			case c.createdAt != nil: // the key is of a comment that was stored before
				w.created = w.as(c)
				w.created.Repeated = true
			default:
				allowed = append(allowed, allowedComment{w, c.id})
			}
			return nil
		})
		assign(allowed, inserted)
		return err
	}
}

// An allowedComment is a write that was not refused, and the id that it was given.
type allowedComment struct {
	*commentWrite
	id int64
}

// assign gives each write the row with its id. A trigger of the site may have changed the
// id: each remaining row is given to a remaining write with the same author and body, or
// else to the first one. A write without a row was left out by the site.
func assign(allowed []allowedComment, inserted []storedComment) {
	byID := make(map[int64]storedComment, len(inserted))
	for _, c := range inserted {
		byID[c.id] = c
	}
	var remaining []allowedComment
	for _, w := range allowed {
		if c, ok := byID[w.id]; ok {
			w.created = w.as(c)
			delete(byID, w.id)
		} else {
			remaining = append(remaining, w)
		}
	}
	if len(remaining) == 0 {
		return
	}
	for _, c := range inserted {
		if _, left := byID[c.id]; !left || len(remaining) == 0 {
			continue
		}
		i := slices.IndexFunc(remaining, func(w allowedComment) bool { return w.Author.ID == *c.author && w.Body == *c.body })
		i = max(i, 0)
		remaining[i].created = remaining[i].as(c)
		remaining = slices.Delete(remaining, i, i+1)
	}
	for _, w := range remaining {
		w.err = errNotInserted
	}
}

// errNotInserted is the error of a comment that a trigger of the site has dropped without an
// exception.
var errNotInserted = &InvalidError{Detail: "the site does not take this comment"}

// commentErrors has the error for each refusal of commentRefusals. It is nil for "".
var commentErrors = map[string]error{
	"in flight":  ErrInFlight,
	"key reused": ErrKeyReused,
	"locked":     ErrPostLocked,
	"no post":    ErrNotFound,
	"no parent":  ErrNoParent,
}

// as returns the comment that was stored for w.
func (w *commentWrite) as(stored storedComment) Comment {
	author := w.author
	if author.ID == "" { // another transaction has just created the row
		author = User{ID: w.Author.ID, Name: cmp.Or(w.Author.Name, w.Author.ID[:min(len(w.Author.ID), 200)]), AvatarURL: w.Author.AvatarURL}
	}
	made := Comment{
		ID: stored.id, PostID: w.PostID, ParentID: w.ParentID, RootID: stored.rootID, Author: author, Body: w.Body,
		Status: StatusPublished, CreatedAt: *stored.createdAt, EditedAt: stored.editedAt, Version: stored.version,
	}
	if stored.body != nil {
		made.Body = *stored.body
	}
	if stored.status != nil {
		made.Status = *stored.status
	}
	if stored.postID != nil {
		made.PostID, made.ParentID = *stored.postID, stored.parentID
		if *stored.author != author.ID {
			made.Author = User{ID: *stored.author} // CreateComment adds the name
		}
	}
	if made.Status == StatusDeleted {
		made.Author = User{}
	}
	return made
}
