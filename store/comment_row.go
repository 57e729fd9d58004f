package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// The columns of a comment that scanTargets reads, and the joins that they need. c is the row
// of tidings.comments.
const (
	commentColumnsOfC = `
		c.id, c.post_id, c.parent_id, c.root_id, c.author_id, coalesce(u.name, c.author_id), u.avatar_url,
		c.body, c.status, c.pinned_at, coalesce(n.likes, 0), coalesce(n.comments, 0), coalesce(n.thread, 0),
		c.created_at, c.edited_at, c.version`

	commentJoins = `
	left join lateral (select name, avatar_url from tidings.users where users.id = c.author_id offset 0) as u on true
	left join lateral (
		select comments, likes, thread
		from tidings.counts
		where target = 'comment:' || c.id
		order by position desc
		limit 1
	) as n on true`

	// viewerLikes is whether the viewer $1 likes the comment.
	viewerLikes = `
		exists (
			select from tidings.likes
			where likes.post_id = c.post_id and likes.comment_id = c.id and likes.user_id = $1
			offset 0
		)`

	selectComment = `
	select ` + viewerLikes + `, ` + commentColumnsOfC + `
	from tidings.comments c
	` + commentJoins + `
	where c.id = $2`
)

// viewedTargets are the targets of viewerLikes and commentColumnsOfC.
func viewedTargets(c *Comment) []any { return append([]any{&c.Liked}, scanTargets(c)...) }

// scanTargets are the targets of commentColumnsOfC.
func scanTargets(c *Comment) []any {
	return []any{
		&c.ID, &c.PostID, &c.ParentID, &c.RootID, &c.Author.ID, &c.Author.Name, &c.Author.AvatarURL,
		&c.Body, &c.Status, &c.PinnedAt, &c.Likes, &c.Replies, &c.ThreadCount, &c.CreatedAt, &c.EditedAt, &c.Version,
	}
}

// hide removes the text from a comment that is not published, as lists show it above a visible
// one. It is not liked, because a page that learns of it by an event could not know that. The
// function tombstone_data of the schema shows a tombstone in the same way.
func (c *Comment) hide() {
	if c.Status != StatusPublished {
		c.Author, c.Body, c.Status, c.EditedAt, c.Version, c.PinnedAt, c.Liked = User{}, "", StatusDeleted, nil, 1, nil, false
	}
}

// Comment returns a comment as lists show it to a viewer. It returns ErrNotFound if no list shows
// it.
func (s *Store) Comment(ctx context.Context, id int64, viewer string) (Comment, error) {
	c, err := s.commentRow(ctx, selectComment+` and `+visible, id, viewer)
	c.hide()
	c.HTML = s.html.of(c.Body)
	return c, err
}

// HeldComment returns a comment as moderators see it, whatever its status. It returns ErrNotFound
// if it has no row.
func (s *Store) HeldComment(ctx context.Context, id int64, viewer string) (Comment, error) {
	c, err := s.commentRow(ctx, selectComment, id, viewer)
	c.HTML = s.html.of(c.Body)
	return c, err
}

func (s *Store) commentRow(ctx context.Context, sql string, id int64, viewer string) (c Comment, err error) {
	err = s.read(ctx, rowQuery(viewedTargets(&c), sql, viewer, id))
	return c, err
}

// scanComment reads a comment as it is stored.
func scanComment(row pgx.CollectableRow) (c Comment, err error) {
	err = row.Scan(scanTargets(&c)...)
	return c, err
}
