package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
)

// A Revision is a text of a comment that an edit or a deletion has replaced.
type Revision struct {
	Version    int // of the comment with this text
	Body       string
	HTML       string // of the body: see Config.HTML
	ReplacedAt time.Time
}

// A RevisionQuery asks for one page of the revisions of a comment, newest first.
type RevisionQuery struct {
	ID    int64
	After int // Version of the last revision of the page before; 0 for the first page
	Limit int
}

// Revisions returns one page, and whether another one follows. It returns ErrNotFound if the
// comment has no row.
func (s *Store) Revisions(ctx context.Context, q RevisionQuery) (page []Revision, more bool, err error) {
	var exists bool
	err = s.read(ctx,
		rowQuery([]any{&exists}, `select exists (select from tidings.comments where id = $1)`, q.ID),
		readQuery{`
			select version, body, replaced_at
			from tidings.revisions
			where comment_id = $1 and ($2 = 0 or version < $2)
			order by version desc
			limit $3`, []any{q.ID, q.After, q.Limit + 1}, func(rows pgx.Rows) (err error) {
			page, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Revision, err error) {
				err = row.Scan(&r.Version, &r.Body, &r.ReplacedAt)
				return r, err
			})
			return err
		}},
	)
	if err == nil && !exists {
		err = ErrNotFound
	}
	if len(page) > q.Limit {
		page, more = page[:q.Limit], true
	}
	for i := range page {
		page[i].HTML = s.html.of(page[i].Body)
	}
	return page, more, err
}

// A ModerationQuery asks for one page of the comments with a status, oldest first.
type ModerationQuery struct {
	Status string // any but published
	After  *Place // last comment of the page before; nil for the first page
	Limit  int
}

// A ModerationList is a page of comments as moderators see them, with the number of all pending
// comments and a cursor, all from one snapshot.
type ModerationList struct {
	Comments []Comment
	More     bool
	Pending  int64
	Cursor   stream.Cursor
}

// Moderation returns one page of the comments with a status, of all posts.
func (s *Store) Moderation(ctx context.Context, q ModerationQuery) (list ModerationList, err error) {
	var at *time.Time
	var id *int64
	if q.After != nil {
		at, id = &q.After.At, &q.After.ID
	}
	var state stream.State
	err = s.read(ctx,
		stateQuery(&state),
		rowQuery([]any{&list.Pending}, `
			select coalesce((
				select comments
				from tidings.counts
				where target = 'moderation'
				order by position desc
				limit 1
			), 0)`),
		readQuery{`
			select ` + commentColumnsOfC + `
			from (
				select *
				from tidings.comments
				where status = $1 and status <> 'published'
					and ($2::timestamptz is null or (created_at, id) > ($2, $3::bigint))
				order by created_at, id
				limit $4
			) as c
			` + commentJoins + `
			order by c.created_at, c.id`, []any{q.Status, at, id, q.Limit + 1}, func(rows pgx.Rows) (err error) {
			list.Comments, err = pgx.CollectRows(rows, scanComment)
			return err
		}},
	)
	if err != nil {
		return ModerationList{}, err
	}
	if len(list.Comments) > q.Limit {
		list.Comments, list.More = list.Comments[:q.Limit], true
	}
	for i := range list.Comments {
		list.Comments[i].HTML = s.html.of(list.Comments[i].Body)
	}
	list.Cursor = state.HeadCursor()
	return list, nil
}
