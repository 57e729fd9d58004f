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
	var pinned, rest commentPage
	queries := []readQuery{stateQuery(&state), changedQuery(q.PostID, q.Viewer, &changed), listedPostQuery(q, &list)}
	unpinned := q
	if !q.Flat && (q.After == nil || q.After.Pinned) {
		queries = append(queries, pinned.query(s.html, q, pinnedRoots, by))
		unpinned.After = nil
	}
	queries = append(queries, rest.query(s.html, unpinned, pageOf(q), by))
	if err := s.read(ctx, queries...); err != nil {
		return CommentList{}, err
	}
	list.Comments, list.More = pinned.comments, pinned.cut
	if !pinned.cut {
		list.Comments, list.More = append(list.Comments, rest.comments...), rest.cut
	}
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

// visible is a condition for rows of comments that lists show.
const visible = `(c.status = 'published' or exists (select from tidings.tombstones where tombstones.id = c.id))`

// These statements select a page: the number of each comment in the order of the page, and its
// id. A page begins after the key ($3, $4), not after a number of rows, so that new comments do
// not shift it. $1 is the viewer, $2 the post (or comment), $5 the number of comments, and $6 how
// many replies each has. There is a statement for each order: with a parameter for the order,
// Postgres would not use an index. The parameters of the key and of LIMIT are in subselects for the
// reason that eventsQuery has: to make a plan takes as long as to run it.
const (
	unpinned = `c.parent_id is null and (c.pinned_at is null or c.status <> 'published')`

	highestRank, highestID = `2147483647`, `9223372036854775807`

	// The key, or on the first page one that is before or after all others.
	latestKey   = `((select coalesce($3::timestamptz, 'infinity')), (select coalesce($4::bigint, ` + highestID + `)))`
	earliestKey = `((select coalesce($3::timestamptz, '-infinity')), (select coalesce($4::bigint, 0)))`

	pinnedRoots = `
		select row_number() over (order by pinned_at desc, id desc) as n, id
		from tidings.comments c
		where post_id = $2 and pinned_at is not null and status = 'published'
			and (pinned_at, id) < ` + latestKey + `
		order by pinned_at desc, id desc
		limit (select $5::integer)`

	newestRoots = `
		select row_number() over (order by created_at desc, id desc) as n, id
		from tidings.comments c
		where post_id = $2 and ` + unpinned + ` and ` + visible + `
			and (created_at, id) < ` + latestKey + `
		order by created_at desc, id desc
		limit (select $5::integer)`

	oldestRoots = `
		select row_number() over (order by created_at, id) as n, id
		from tidings.comments c
		where post_id = $2 and ` + unpinned + ` and ` + visible + `
			and (created_at, id) > ` + earliestKey + `
		order by created_at, id
		limit (select $5::integer)`

	// The first WITH has the liked roots of the page: see the table ranks. WITH TIES adds those that
	// are equal by rank and tie, because their order is that of their likes. The second has roots
	// without likes, if the page has room for them.
	topRoots = `
		with liked as materialized (
			select c.id, n.likes
			from tidings.ranks
			cross join lateral (select * from tidings.comments where comments.id = ranks.id offset 0) as c
			cross join lateral (
				select likes
				from tidings.counts
				where target = 'comment:' || ranks.id
				order by position desc
				limit 1
			) as n
			where ranks.post_id = $2 and ` + unpinned + ` and ` + visible + `
				and (ranks.rank, ranks.tie) <= (
					(select coalesce(tidings.rank_of($3::bigint), ` + highestRank + `)),
					(select case when $3 < 64 then $4::bigint else ` + highestID + ` end))
				and (n.likes, c.id) < ((select coalesce($3, ` + highestID + `)), (select coalesce($4, ` + highestID + `)))
			order by ranks.rank desc, ranks.tie desc
			fetch first (select $5::integer) rows with ties
		),
		others as materialized (
			select id
			from tidings.comments c
			where (select count(*) from liked) < (select $5)
				and post_id = $2 and ` + unpinned + ` and ` + visible + `
				and not exists (select from tidings.ranks where ranks.id = c.id offset 0)
				and id < (select case when $3 = 0 then $4 else ` + highestID + ` end)
			order by id desc
			limit (select $5::integer)
		)
		select row_number() over (order by likes desc, id desc) as n, id
		from (select id, likes from liked union all select id, 0 from others) as root
		order by likes desc, id desc
		limit (select $5::integer)`

	newestFlat = `
		select row_number() over (order by created_at desc, id desc) as n, id
		from tidings.comments c
		where post_id = $2 and ` + visible + `
			and (created_at, id) < ` + latestKey + `
		order by created_at desc, id desc
		limit (select $5::integer)`

	oldestFlat = `
		select row_number() over (order by created_at, id) as n, id
		from tidings.comments c
		where post_id = $2 and ` + visible + `
			and (created_at, id) > ` + earliestKey + `
		order by created_at, id
		limit (select $5::integer)`

	threadReplies = `
		select row_number() over (order by created_at, id) as n, id
		from tidings.comments c
		where root_id = $2::bigint and ` + visible + `
			and (created_at, id) > ` + earliestKey + `
		order by created_at, id
		limit (select $5::integer)`

	// Each status is a range of the index comments_by_parent, by time.
	directReplies = `
		select row_number() over (order by created_at, id) as n, id
		from unnest(array['published', 'pending', 'rejected', 'spam', 'deleted']) as of (status)
		cross join lateral (
			select id, created_at
			from tidings.comments c
			where parent_id = $2::bigint and post_id = (select post_id from tidings.comments where id = $2::bigint)
				and c.status = of.status and ` + visible + `
				and (created_at, id) > ` + earliestKey + `
			order by created_at, id
			limit (select $5::integer)
		) as reply
		order by created_at, id
		limit (select $5::integer)`
)

// pageOf returns the statement for the comments of a list that are not pinned.
func pageOf(q ListQuery) string {
	switch {
	case q.Flat && q.Sort == Oldest:
		return oldestFlat
	case q.Flat:
		return newestFlat
	case q.Sort == Oldest:
		return oldestRoots
	case q.Sort == Top:
		return topRoots
	}
	return newestRoots
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

// query reads one comment more than the page has, to learn whether another page follows, and one
// reply more.
func (p *commentPage) query(html toHTML, q ListQuery, page string, by listedColumns) readQuery {
	var key any
	var id *int64
	replies := FirstReplies + 1
	if q.Flat {
		replies = 0
	}
	if q.After != nil {
		key, id = q.After.At, &q.After.ID
		if q.Sort == Top && !q.After.Pinned {
			key = q.After.Likes
		}
	}
	args := []any{q.Viewer, q.PostID, key, id, q.Limit + 1, replies}
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

// A RepliesQuery asks for one page of the replies to a comment, by time.
type RepliesQuery struct {
	ID     int64
	Viewer string // user whose likes the list reports; empty for none
	After  *Place // last comment of the page before; nil for the first page
	Limit  int
}

// Replies returns one page of the comments below a root at any depth, or of the direct replies to
// another comment. It returns ErrNotFound if no list shows the comment. Of CommentList, Post has
// only its id.
func (s *Store) Replies(ctx context.Context, q RepliesQuery) (CommentList, error) {
	above, err := s.Comment(ctx, q.ID, "")
	if err != nil {
		return CommentList{}, err
	}
	list := CommentList{Post: Post{ID: above.PostID}}
	var state stream.State
	var changed int64
	var replies commentPage
	page := directReplies
	if above.ParentID == nil {
		page = threadReplies
	}
	query := replies.query(s.html, ListQuery{Viewer: q.Viewer, Flat: true, After: q.After, Limit: q.Limit}, page, wholeComments)
	query.args[1] = q.ID
	err = s.read(ctx, stateQuery(&state), changedQuery(above.PostID, q.Viewer, &changed), query)
	if err != nil {
		return CommentList{}, err
	}
	list.Comments, list.More = replies.comments, replies.cut
	list.cut(q.Limit)
	list.State = listState(state, changed)
	return list, nil
}
