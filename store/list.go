package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
)

// A Place is a comment's place in the order of time: pages go on after it.
type Place struct {
	CreatedAt time.Time
	ID        int64
}

// A ListQuery asks for one page of a post's comments, replies among them.
type ListQuery struct {
	PostID string
	Viewer string // whose like is told; empty for nobody
	Oldest bool   // oldest first instead of newest first
	After  *Place // nil for the first page
	Limit  int
}

// A CommentList is a page of comments and, from the same snapshot, the post's counts
// and the cursor from which a stream misses and repeats nothing.
type CommentList struct {
	Comments []Comment
	More     bool
	Counts   Counts
	Liked    bool
	Cursor   stream.Cursor
}

// The page is sought by keyset, not by offset: rows that come in meanwhile shift
// nothing. %[1]s is the comparison, %[2]s the direction.
const listSQL = `
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
	where c.post_id = $1
		and (c.status = 'published' or c.status = 'deleted' and n.comments > 0)
		and ($2::timestamptz is null or (c.created_at, c.id) %[1]s ($2, $3))
	order by c.created_at %[2]s, c.id %[2]s
	limit $4`

var (
	newestFirst = fmt.Sprintf(listSQL, "<", "desc")
	oldestFirst = fmt.Sprintf(listSQL, ">", "asc")
)

// Comments returns one page. An unknown post has an empty one.
func (s *Store) Comments(ctx context.Context, q ListQuery) (CommentList, error) {
	var list CommentList
	var state stream.State
	err := s.read(ctx,
		stateQuery(&state),
		one([]any{&list.Counts.Comments, &list.Counts.Likes, &list.Liked}, `
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
		pageQuery(q, &list.Comments),
	)
	if err != nil {
		return CommentList{}, err
	}
	if len(list.Comments) > q.Limit {
		list.Comments, list.More = list.Comments[:q.Limit], true
	}
	list.Cursor = state.HeadCursor()
	return list, nil
}

// pageQuery asks for one comment more than the page holds, to know whether there is
// another page.
func pageQuery(q ListQuery, into *[]Comment) query {
	sql := newestFirst
	if q.Oldest {
		sql = oldestFirst
	}
	var at *time.Time
	var id *int64
	if q.After != nil {
		at, id = &q.After.CreatedAt, &q.After.ID
	}
	return query{sql, []any{q.PostID, at, id, q.Limit + 1}, func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, scanComment)
		return err
	}}
}

func scanComment(row pgx.CollectableRow) (c Comment, err error) {
	err = row.Scan(&c.ID, &c.PostID, &c.ParentID, &c.Author.ID, &c.Author.Name, &c.Author.AvatarURL,
		&c.Body, &c.Status, &c.Likes, &c.Replies, &c.CreatedAt, &c.EditedAt, &c.Version)
	if c.Status == StatusDeleted {
		c.Author = User{}
	}
	return c, err
}
