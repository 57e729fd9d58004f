package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

const defaultPageSize = 20

// A listedJSON is a comment in a list or an answer.
type listedJSON struct {
	commentJSON
	Liked   bool         `json:"liked"`             // by the caller
	Replies *repliesJSON `json:"replies,omitempty"` // of a root
}

// A repliesJSON has the first comments below a root, by time. Its page goes on at
// GET /v1/comments/{id}/replies.
type repliesJSON struct {
	Data []listedJSON `json:"data"`
	Page pageJSON     `json:"page"`
}

// A listedPostJSON shows the post of a list.
type listedPostJSON struct {
	ID           string  `json:"id"`
	Title        *string `json:"title"`
	URL          *string `json:"url"`
	Locked       bool    `json:"locked"`
	CommentCount int64   `json:"commentCount"`
	LikeCount    int64   `json:"likeCount"`
	Liked        bool    `json:"liked"` // by the caller
}

// A commentListJSON is the answer of list and replies. Its cursor belongs to the same snapshot as
// the comments, so a stream from the cursor continues the list without a gap.
type commentListJSON struct {
	Data   []listedJSON    `json:"data"`
	Page   pageJSON        `json:"page"`
	Post   *listedPostJSON `json:"post,omitempty"` // not in the answer of replies
	User   *string         `json:"user"`           // id of the caller
	Cursor stream.Cursor   `json:"cursor"`
}

// list answers GET /v1/posts/{post}/comments with one page of 1 to 100 roots (20 by default),
// pinned ones first and then by sort: newest (the default), oldest or top. Each has its first
// replies. With flat=1 the page has all comments by time. A page with more than 1 MiB of JSON
// ends early. The answer has a weak ETag; If-None-Match is answered 304 without a read of
// comments.
//
// It answers 200 with an empty page for a post that does not exist. Problems: invalid_id for an
// impossible post id, and malformed for unknown parameter values.
func (h *commentHandlers) list(c echo.Context) error {
	post, err := postTopic(c)
	if err != nil {
		return err
	}
	q, name, err := listQuery(c, post.ID())
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if c.Request().Header.Get("If-None-Match") != "" {
		state, err := h.store.ListState(ctx, q.PostID, q.Viewer)
		if err != nil {
			return err
		}
		if h.notModified(c, state) {
			return c.NoContent(http.StatusNotModified)
		}
	}
	list, err := h.store.Comments(ctx, q)
	if err != nil {
		return err
	}
	answer := h.view(c, name, list, func(l store.ListedComment) store.Place { return l.Place(q.Sort, q.Flat) })
	for i := range answer.Data {
		if !q.Flat && answer.Data[i].Replies == nil {
			answer.Data[i].Replies = &repliesJSON{Data: []listedJSON{}}
		}
	}
	p := list.Post
	answer.Post = &listedPostJSON{p.ID, p.Title, p.URL, p.Locked, p.Comments, p.Likes, list.Liked}
	return sendJSON(c, http.StatusOK, answer)
}

// listQuery reads the parameters sort, flat, limit and after. It also returns the name of the
// list in cursors of pages.
func listQuery(c echo.Context, post string) (q store.ListQuery, name string, err error) {
	q = store.ListQuery{PostID: post, Viewer: identity(c).Subject}
	values := query(c)
	sort, err := single(values, "sort")
	if err != nil {
		return q, "", err
	}
	if q.Flat, err = flag(values, "flat"); err != nil {
		return q, "", err
	}
	q.Sort = store.Sort(sort)
	switch q.Sort {
	case "":
		q.Sort = store.Newest
	case store.Newest, store.Oldest:
	case store.Top:
		if q.Flat {
			return q, "", problemMalformed.with("flat=1 goes with the sorts newest and oldest")
		}
	default:
		return q, "", problemMalformed.with("sort is none of newest, oldest and top")
	}
	name = listName(q)
	q.Limit, q.After, err = pageOf(values, name)
	return q, name, err
}

// pageOf reads the parameters limit and after.
func pageOf(values url.Values, name string) (limit int, after *store.Place, err error) {
	if limit, err = number(values, "limit", defaultPageSize, 1, maxPageSize); err != nil {
		return 0, nil, err
	}
	text, err := single(values, "after")
	if err != nil || text == "" {
		return limit, nil, err
	}
	place, err := decodePlace(name, text)
	return limit, &place, err
}

// replies answers GET /v1/comments/{id}/replies with one page of 1 to 100 comments (20 by
// default), by time: those below a root at any depth, or the direct replies to another comment.
// Problems: not_found, malformed.
func (h *commentHandlers) replies(c echo.Context) error {
	id, err := commentID(c)
	if err != nil {
		return err
	}
	q := store.RepliesQuery{ID: id, Viewer: identity(c).Subject}
	name := repliesList(id)
	if q.Limit, q.After, err = pageOf(query(c), name); err != nil {
		return err
	}
	list, err := h.store.Replies(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, h.view(c, name, list, placeOfReply))
}

// repliesList is the name of the list of replies to a comment, in cursors of pages.
func repliesList(id int64) string { return "replies-" + idText(id) }

func placeOfReply(l store.ListedComment) store.Place { return l.Place(store.Oldest, true) }

// view returns the answer with a list, and sets the header fields for caches. A page of more than
// maxAnswerBytes is cut after a root; the first root keeps as many replies as there is room for.
func (h *commentHandlers) view(c echo.Context, name string, list store.CommentList, place func(store.ListedComment) store.Place) commentListJSON {
	answer := commentListJSON{Data: []listedJSON{}, User: identity(c).ID(), Cursor: list.State.Cursor}
	more, size := list.More, 0
	for i, l := range list.Comments {
		v, bytes := viewListed(l, maxAnswerBytes-size)
		if size += bytes; size > maxAnswerBytes && i > 0 {
			more = true
			break
		}
		answer.Data = append(answer.Data, v)
	}
	if more {
		next := encodePlace(name, place(list.Comments[len(answer.Data)-1]))
		answer.Page = pageJSON{Next: &next, More: true}
	}
	c.Response().Header().Set("ETag", h.tag(c, list.State))
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-cache")
	return answer
}

// viewListed returns a comment in a list and its size. Replies that exceed room are left out.
func viewListed(l store.ListedComment, room int) (v listedJSON, size int) {
	v = listedJSON{commentJSON: viewComment(l.Comment), Liked: l.Liked}
	size = v.size()
	if l.Below == nil {
		return v, size
	}
	v.Replies = &repliesJSON{Data: []listedJSON{}}
	more := l.MoreBelow
	for _, below := range l.Below {
		reply := listedJSON{commentJSON: viewComment(below.Comment), Liked: below.Liked}
		if size += reply.size(); size > room && len(v.Replies.Data) > 0 {
			more = true
			break
		}
		v.Replies.Data = append(v.Replies.Data, reply)
	}
	if more {
		next := encodePlace(repliesList(l.ID), placeOfReply(l.Below[len(v.Replies.Data)-1]))
		v.Replies.Page = pageJSON{Next: &next, More: true}
	}
	return v, size
}

// notModified reports whether the client has the answer already, and sets its header fields.
func (h *commentHandlers) notModified(c echo.Context, state store.ListState) bool {
	tag := h.tag(c, state)
	if !hasTag(c, tag) {
		return false
	}
	c.Response().Header().Set("ETag", tag)
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-cache")
	return true
}

// hasTag reports whether If-None-Match has a weak tag. A strong one with the same text counts.
func hasTag(c echo.Context, tag string) bool {
	for candidate := range strings.SplitSeq(strings.Join(c.Request().Header.Values("If-None-Match"), ","), ",") {
		if candidate = strings.TrimSpace(candidate); candidate == tag || "W/"+candidate == tag {
			return true
		}
	}
	return false
}
