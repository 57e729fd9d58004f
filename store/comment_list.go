package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
)

// A Sort is an order of comments.
type Sort string

// The orders of a list. Top has the most liked comments first, as they are in the snapshot of
// each page.
const (
	Newest Sort = "newest"
	Oldest Sort = "oldest"
	Top    Sort = "top"
)

// A Place is the place of a comment in a list. A page begins after a place.
type Place struct {
	Pinned bool      // among the pinned comments, which come before all others
	At     time.Time // the time of the comment, or of its pin; not used by Top
	Likes  int64     // used by Top only
	ID     int64
}

// A ListQuery asks for one page of the comments of a post.
type ListQuery struct {
	PostID string
	Viewer string // user whose likes the list reports; empty for none
	Flat   bool   // all comments by time; otherwise roots, pinned ones first, with their first replies
	Sort   Sort   // default Newest; a flat list cannot have Top
	After  *Place // last comment of the page before; nil for the first page
	Limit  int    // largest number of comments of the page, without the replies of roots
}

// hasPinned reports whether the page may have pinned comments.
func (q ListQuery) hasPinned() bool { return !q.Flat && (q.After == nil || q.After.Pinned) }

// FirstReplies is how many replies a root has in a list at most.
const FirstReplies = 3

// commentPageBytes is the size of the texts at which a page ends early.
const commentPageBytes = 1 << 20

// A ListedComment is a comment in a list.
type ListedComment struct {
	Comment
	Below     []ListedComment // of a root: the first FirstReplies comments below it, by time
	MoreBelow bool            // the root has more
}

// Place returns the place of the comment in a list with this order.
func (c ListedComment) Place(sort Sort, flat bool) Place {
	switch {
	case !flat && c.PinnedAt != nil:
		return Place{Pinned: true, At: *c.PinnedAt, ID: c.ID}
	case sort == Top:
		return Place{Likes: c.Likes, ID: c.ID}
	}
	return Place{At: c.CreatedAt, ID: c.ID}
}

// A CommentList is a page of comments with the post and a cursor, all from one snapshot: a
// stream from the cursor neither misses nor repeats an event.
type CommentList struct {
	Comments []ListedComment
	More     bool // another page follows
	Post     Post // only with its id if it does not exist; without AuthorID
	Liked    bool // the viewer likes the post
	State    ListState
}

// A ListState identifies what a list shows: two lists of one post to one viewer with the same
// Epoch and Changed have the same content.
type ListState struct {
	Epoch   int64
	Changed int64 // position of the last event that may have changed the list
	Cursor  stream.Cursor
}

// ListState returns the state of the lists of a post for a viewer, without a read of comments.
func (s *Store) ListState(ctx context.Context, post, viewer string) (ListState, error) {
	var state stream.State
	var changed int64
	err := s.read(ctx, stateQuery(&state), changedQuery(post, viewer, &changed))
	return listState(state, changed), err
}

func listState(state stream.State, changed int64) ListState {
	cursor := state.HeadCursor()
	return ListState{Epoch: cursor.Epoch, Changed: changed, Cursor: cursor}
}

// changedQuery reads the position of the last event about a post, a name of a user, or the
// viewer. If retention has removed that event, it is the floor, which is no older.
func changedQuery(post, viewer string, into *int64) readQuery {
	return rowQuery([]any{into}, `
		select coalesce(
			greatest(
				(select position from tidings.events where topic = 'post:' || $1 order by position desc limit 1),
				(select position from tidings.events where topic = 'tidings' order by position desc limit 1),
				(select position from tidings.events where topic = 'user:' || $2 order by position desc limit 1)
			),
			floor.position
		)
		from tidings.floor
		where one`, post, viewer)
}

// Comments returns one page. The page of an unknown post is empty. A row that cannot be read
// is left out: it is counted by [Store.SkippedRows] and logged once.
func (s *Store) Comments(ctx context.Context, q ListQuery) (CommentList, error) {
	list, err := s.readList(ctx, q, wholeComments)
	for isOfRow(err) {
		if list, err = s.readList(ctx, q, placesOfComments); err != nil || len(list.Comments) == 0 {
			break
		}
		last := list.Comments[len(list.Comments)-1].Place(q.Sort, q.Flat)
		list.Comments, err = s.readOneByOne(ctx, q.Viewer, list.Comments)
		if err != nil || len(list.Comments) > 0 || !list.More { // a page that is not the last one has a comment
			break
		}
		q.After = &last
		list, err = s.readList(ctx, q, wholeComments)
	}
	return list, err
}

// readList reads the page, and what the list says of its post, in one snapshot.
func (s *Store) readList(ctx context.Context, q ListQuery, by listedColumns) (CommentList, error) {
	list := CommentList{Post: Post{ID: q.PostID}}
	var state stream.State
	var changed int64
	var page commentPage
	err := s.read(ctx, stateQuery(&state), changedQuery(q.PostID, q.Viewer, &changed), listedPostQuery(q, &list), page.query(s.html, q, by))
	if err != nil {
		return CommentList{}, err
	}
	list.Comments, list.More = page.comments, page.cut
	list.cut(q.Limit)
	list.State = listState(state, changed)
	return list, nil
}

// cut cuts a list after a number of comments.
func (l *CommentList) cut(limit int) {
	if len(l.Comments) > limit {
		l.Comments, l.More = l.Comments[:limit], true
	}
}

// readOneByOne reads comments whose places are known, and leaves out those that cannot be read.
// The comments may be newer than the cursor of their list.
func (s *Store) readOneByOne(ctx context.Context, viewer string, places []ListedComment) (comments []ListedComment, err error) {
	comments = []ListedComment{}
	for _, place := range places {
		var c ListedComment
		err := s.read(ctx, rowQuery(wholeComments.targets(&c), `
			select `+wholeComments.columns+`
			from tidings.comments c
			`+commentJoins+`
			where c.id = $2`, viewer, place.ID))
		if err == nil {
			if c.finish(s.html); place.Below != nil {
				c.MoreBelow = place.MoreBelow
				c.Below, err = s.readOneByOne(ctx, viewer, place.Below)
			}
			comments = append(comments, c)
		}
		if err = s.skipRow(ctx, "comments", place.ID, err); err != nil {
			return nil, err
		}
	}
	return comments, nil
}

// finish hides what lists do not show, and adds the HTML.
func (c *ListedComment) finish(html toHTML) {
	c.hide()
	c.HTML = html.of(c.Body)
}

func listedPostQuery(q ListQuery, list *CommentList) readQuery {
	p := &list.Post
	return rowQuery([]any{&p.Title, &p.URL, &p.Locked, (*optionalTime)(&p.CreatedAt), &p.Comments, &p.Likes, &list.Liked}, `
		select p.title, p.url, coalesce(p.locked, false), p.created_at, coalesce(c.comments, 0), coalesce(c.likes, 0),
			exists (
				select from tidings.likes
				where post_id = $1 and comment_id is null and user_id = $2
			)
		from (values (1)) as one (row)
		left join tidings.posts p on p.id = $1
		left join lateral (
			select comments, likes
			from tidings.counts
			where target = 'post:' || $1
			order by position desc
			limit 1
		) as c on true`, q.PostID, q.Viewer)
}

// listedColumns are columns of the comments in a list, and the targets of a Scan of them.
type listedColumns struct {
	columns string
	targets func(c *ListedComment) []any
}

var (
	wholeComments = listedColumns{
		viewerLikes + `, ` + commentColumnsOfC,
		func(c *ListedComment) []any { return viewedTargets(&c.Comment) },
	}

	// placesOfComments are the columns of a Place, which a damaged text does not concern.
	placesOfComments = listedColumns{
		`$1::text is null, c.id, c.status, c.created_at, c.pinned_at, coalesce(n.likes, 0)`,
		func(c *ListedComment) []any {
			return []any{&c.Liked, &c.ID, &c.Status, &c.CreatedAt, &c.PinnedAt, &c.Likes}
		},
	}
)

// selectPage selects the comments of a page, and after each its first replies.
func selectPage(page string, by listedColumns) string {
	return `
	with page as materialized (` + page + `
	)
	select listed.reply, ` + by.columns + `
	from page
	cross join lateral (
		select page.id, false as reply
		union all
		(
			select c.id, true
			from tidings.comments c
			where c.root_id = page.id and ` + visible + `
			order by c.created_at, c.id
			limit (select $6::integer)
		)
	) as listed
	cross join lateral (select * from tidings.comments where comments.id = listed.id offset 0) as c
	` + commentJoins + `
	order by page.n, listed.reply, c.created_at, c.id`
}

// A commentPage has the result of selectPage.
type commentPage struct {
	comments []ListedComment
	cut      bool // rows are left that were not read
}

// query reads a page of a list.
func (p *commentPage) query(html toHTML, q ListQuery, by listedColumns) readQuery {
	replies := FirstReplies
	if q.Flat {
		replies = 0
	}
	switch {
	case !q.hasPinned():
		return p.queryOf(html, pageOf(q), by, q.Viewer, q.PostID, q.key(), q.Limit, replies)
	case q.After == nil:
		return p.queryOf(html, pageOf(q), by, q.Viewer, q.PostID, pageKey{}, q.Limit, replies, nil, nil)
	}
	return p.queryOf(html, pageOf(q), by, q.Viewer, q.PostID, pageKey{}, q.Limit, replies, q.After.At, q.After.ID)
}

// A pageKey is the key that a page begins after. The zero value is before all comments.
type pageKey struct {
	at any // a time, or a number of likes
	id *int64
}

// key returns the key of a page of comments that are not pinned.
func (q ListQuery) key() pageKey {
	switch {
	case q.After == nil:
		return pageKey{}
	case q.Sort == Top:
		return pageKey{q.After.Likes, &q.After.ID}
	}
	return pageKey{q.After.At, &q.After.ID}
}

// queryOf reads the page of a post, or of the replies to a comment. It reads one comment more than the
// page has, to learn whether another page follows, and one reply more. more are $7 and later.
func (p *commentPage) queryOf(
	html toHTML, page string, by listedColumns, viewer string, of any, after pageKey, limit, replies int, more ...any,
) readQuery {
	if replies > 0 {
		replies++
	}
	args := append([]any{viewer, of, after.at, after.id, limit + 1, replies}, more...)
	return readQuery{selectPage(page, by), args, func(rows pgx.Rows) error { return p.collect(rows, html, by) }}
}

// collect reads comments until their texts have commentPageBytes. A root is read with all of its
// first replies or left for the next page; the first one may have fewer replies.
func (p *commentPage) collect(rows pgx.Rows, html toHTML, by listedColumns) error {
	*p = commentPage{comments: []ListedComment{}}
	size := 0
	for rows.Next() {
		var c ListedComment
		var reply bool
		if err := rows.Scan(append([]any{&reply}, by.targets(&c)...)...); err != nil {
			return err
		}
		if size >= commentPageBytes {
			p.cut = true
			if last := len(p.comments) - 1; reply && last == 0 {
				p.comments[0].MoreBelow = true
			} else if reply {
				p.comments = p.comments[:last]
			}
			rows.Close()
			return rows.Err()
		}
		c.finish(html)
		size += len(c.Body) + len(c.HTML)
		if !reply {
			p.comments = append(p.comments, c)
			continue
		}
		root := &p.comments[len(p.comments)-1]
		if root.MoreBelow = len(root.Below) == FirstReplies; !root.MoreBelow {
			root.Below = append(root.Below, c)
		}
	}
	return rows.Err()
}
