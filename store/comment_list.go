package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
)

// A Place is the place of a comment in the order of time. A page begins after a place.
type Place struct {
	CreatedAt time.Time
	ID        int64
}

// A ListQuery asks for one page of the comments of a post, including replies.
type ListQuery struct {
	PostID string
	Viewer string // user whose like CommentList.Liked reports; empty for none
	Oldest bool   // oldest first; otherwise newest first
	After  *Place // last comment of the page before; nil for the first page
	Limit  int    // largest number of comments of the page
}

// commentPageBytes is the size of the texts at which a page ends early.
const commentPageBytes = 1 << 20

// A CommentList is a page of comments with the counts of the post and a cursor, all from
// one snapshot: a stream from the cursor neither misses nor repeats an event.
type CommentList struct {
	Comments []Comment
	More     bool // another page follows
	Counts   Counts
	Liked    bool // the viewer likes the post
	Cursor   stream.Cursor
}

// The page begins after the key ($2, $3), not after a number of rows, so that new
// comments do not shift it. selectComments, newestFirst and oldestFirst are one statement
// for each order: with a parameter for the order, Postgres would not use the index.
const (
	selectComments = `
	select c.id, c.post_id, c.parent_id, c.author_id, coalesce(u.name, c.author_id), u.avatar_url,
		c.body, c.status, coalesce(n.likes, 0), coalesce(n.comments, 0),
		c.created_at, c.edited_at, c.version
	from tidings.comments c
	left join tidings.users u on u.id = c.author_id
	left join lateral (
		select comments, likes
		from tidings.counts
		where target = 'comment:' || c.id
		order by position desc
		limit 1
	) as n on true
	where (c.status = 'published' or exists (select from tidings.tombstones where tombstones.id = c.id))`

	newestFirst = selectComments + `
		and c.post_id = $1
		and ($2::timestamptz is null or (c.created_at, c.id) < ($2, $3))
	order by c.created_at desc, c.id desc
	limit $4`

	oldestFirst = selectComments + `
		and c.post_id = $1
		and ($2::timestamptz is null or (c.created_at, c.id) > ($2, $3))
	order by c.created_at, c.id
	limit $4`
)

// Comment returns a comment as lists show it. It returns ErrNotFound if no list shows it.
func (s *Store) Comment(ctx context.Context, id int64) (c Comment, err error) {
	err = s.read(ctx, readQuery{selectComments + `
		and c.id = $1`, []any{id}, func(rows pgx.Rows) (err error) {
		c, err = pgx.CollectExactlyOneRow(rows, scanComment)
		c.HTML = s.html(c.Body)
		return err
	}})
	return c, err
}

// Comments returns one page. The page of an unknown post is empty. A row that cannot be read
// is left out: it is counted by [Store.SkippedRows] and logged once.
func (s *Store) Comments(ctx context.Context, q ListQuery) (CommentList, error) {
	var list CommentList
	err := s.readList(ctx, q, &list, commentsQuery(q, s.html, &list))
	if isOfRow(err) {
		list, err = s.commentsOneByOne(ctx, q)
	}
	if err != nil {
		return CommentList{}, err
	}
	if len(list.Comments) > q.Limit {
		list.Comments, list.More = list.Comments[:q.Limit], true
	}
	return list, nil
}

// readList reads a list and what it says of its post, in one snapshot.
func (s *Store) readList(ctx context.Context, q ListQuery, list *CommentList, comments readQuery) error {
	var state stream.State
	err := s.read(ctx,
		stateQuery(&state),
		rowQuery([]any{&list.Counts.Comments, &list.Counts.Likes, &list.Liked}, `
			select
				coalesce(max(c.comments), 0), coalesce(max(c.likes), 0),
				exists (
					select from tidings.likes
					where post_id = $1 and comment_id is null and user_id = $2
				)
			from (
				select comments, likes
				from tidings.counts
				where target = 'post:' || $1
				order by position desc
				limit 1
			) as c`, q.PostID, q.Viewer),
		comments,
	)
	if err != nil {
		return err
	}
	list.Cursor = state.HeadCursor()
	return nil
}

// commentsQuery reads one comment more than the page has, to learn whether another page
// follows.
func commentsQuery(q ListQuery, html toHTML, into *CommentList) readQuery {
	sql, args := q.statement()
	return readQuery{sql, args, func(rows pgx.Rows) (err error) {
		into.Comments, into.More, err = collectPage(rows, html)
		return err
	}}
}

func (q ListQuery) statement() (sql string, args []any) {
	sql = newestFirst
	if q.Oldest {
		sql = oldestFirst
	}
	var at *time.Time
	var id *int64
	if q.After != nil {
		at, id = &q.After.CreatedAt, &q.After.ID
	}
	return sql, []any{q.PostID, at, id, q.Limit + 1}
}

// commentsOneByOne reads a page of which a row cannot be read: first the places of the
// comments, and then each comment. The comments may be newer than the cursor of the list.
func (s *Store) commentsOneByOne(ctx context.Context, q ListQuery) (list CommentList, err error) {
	for {
		var places []Place
		sql, args := q.statement()
		err := s.readList(ctx, q, &list, readQuery{`
			select p.created_at, p.id
			from (` + sql + `) as p (id, post_id, parent_id, author_id, name, avatar_url, body, status, likes, replies, created_at)`,
			args, func(rows pgx.Rows) (err error) {
				places, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Place])
				return err
			}})
		if err != nil {
			return list, err
		}
		if list.More = len(places) > q.Limit; list.More {
			places = places[:q.Limit]
		}
		size := 0
		for i, place := range places {
			c, err := s.Comment(ctx, place.ID)
			if err == nil {
				list.Comments, size = append(list.Comments, c), size+len(c.Body)+len(c.HTML)
			}
			if err = s.skipRow(ctx, "comments", place.ID, err); err != nil {
				return list, err
			}
			if size >= commentPageBytes && i < len(places)-1 {
				list.More = true
				return list, nil
			}
		}
		if len(list.Comments) > 0 || !list.More { // a page that is not the last one has a comment
			return list, nil
		}
		q.After = &places[len(places)-1]
	}
}

// collectPage reads comments until their texts have commentPageBytes. more reports that it has
// left some rows unread.
func collectPage(rows pgx.Rows, html toHTML) (_ []Comment, more bool, err error) {
	page, size := []Comment{}, 0
	for rows.Next() {
		if size >= commentPageBytes {
			rows.Close()
			return page, true, rows.Err()
		}
		c, err := scanComment(rows)
		if err != nil {
			return nil, false, err
		}
		c.HTML = html(c.Body)
		page, size = append(page, c), size+len(c.Body)+len(c.HTML)
	}
	return page, false, rows.Err()
}

// scanComment reads a comment, or a tombstone: a hidden comment above a visible one. The
// function tombstone_data of the schema shows a tombstone in the same way.
func scanComment(row pgx.CollectableRow) (c Comment, err error) {
	err = row.Scan(&c.ID, &c.PostID, &c.ParentID, &c.Author.ID, &c.Author.Name, &c.Author.AvatarURL,
		&c.Body, &c.Status, &c.Likes, &c.Replies, &c.CreatedAt, &c.EditedAt, &c.Version)
	if c.Status != StatusPublished {
		c.Author, c.Body, c.Status, c.EditedAt, c.Version = User{}, "", StatusDeleted, nil, 1
	}
	return c, err
}
