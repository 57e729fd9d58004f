package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// commentStore is the part of *store.Store that the handlers of comments need.
type commentStore interface {
	CreateComment(ctx context.Context, c store.NewComment) (store.Comment, error)
	CheckKey(ctx context.Context, user, key string) (known bool, err error)
	Comments(ctx context.Context, q store.ListQuery) (store.CommentList, error)
	Comment(ctx context.Context, id int64) (store.Comment, error)
	DeleteComment(ctx context.Context, id int64, by string, moderator bool) error
}

// commentHandlers answer requests for comments.
type commentHandlers struct {
	store  commentStore
	typing *typingHandlers

	charges charges
}

const defaultPageSize = 20

// A commentListJSON is the answer of list. Its cursor belongs to the same snapshot as the
// comments, so a stream from the cursor continues the list without a gap.
type commentListJSON struct {
	Data []commentJSON `json:"data"`
	Page pageJSON      `json:"page"`
	Post struct {
		CommentCount int64 `json:"commentCount"`
		LikeCount    int64 `json:"likeCount"`
		Liked        bool  `json:"liked"`
	} `json:"post"`
	User   *string       `json:"user"` // id of the caller
	Cursor stream.Cursor `json:"cursor"`
}

// list answers GET /v1/posts/{post}/comments with one page of 1 to 100 comments (20 by
// default), by time. A page with more than 1 MiB of JSON ends early. It answers 200 with an empty page for a post that does not exist,
// invalid_id for an impossible post id, and malformed for unknown parameter values.
func (h *commentHandlers) list(c echo.Context) error {
	post, err := postTopic(c)
	if err != nil {
		return err
	}
	sort, q, err := listQuery(c, post.ID())
	if err != nil {
		return err
	}
	list, err := h.store.Comments(c.Request().Context(), q)
	if err != nil {
		return err
	}
	answer := commentListJSON{Data: make([]commentJSON, len(list.Comments)), User: identity(c).ID(), Cursor: list.Cursor}
	size := 0
	for i, comment := range list.Comments {
		answer.Data[i] = viewComment(comment)
		if size += answer.Data[i].size(); size > maxAnswerBytes && i > 0 {
			answer.Data, list.More = answer.Data[:i], true
			break
		}
	}
	if list.More {
		next := encodePlace(sort, list.Comments[len(answer.Data)-1])
		answer.Page = pageJSON{Next: &next, More: true}
	}
	answer.Post.CommentCount, answer.Post.LikeCount, answer.Post.Liked = list.Counts.Comments, list.Counts.Likes, list.Liked
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-cache")
	return sendJSON(c, http.StatusOK, answer)
}

// listQuery reads the parameters sort, limit and after.
func listQuery(c echo.Context, post string) (sort string, q store.ListQuery, err error) {
	q = store.ListQuery{PostID: post, Viewer: identity(c).Subject}
	values := query(c)
	if sort, err = single(values, "sort"); err != nil {
		return "", q, err
	}
	switch sort {
	case "":
		sort = "newest"
	case "newest":
	case "oldest":
		q.Oldest = true
	default:
		return "", q, problemMalformed.with("sort is neither newest nor oldest")
	}
	if q.Limit, err = number(values, "limit", defaultPageSize, 1, maxPageSize); err != nil {
		return "", q, err
	}
	after, err := single(values, "after")
	if err != nil || after == "" {
		return sort, q, err
	}
	place, err := decodePlace(sort, after)
	q.After = &place
	return sort, q, err
}

// get answers GET /v1/comments/{id} with the comment as lists show it. Problem: not_found,
// also for a comment that is not visible to everybody.
func (h *commentHandlers) get(c echo.Context) error {
	id, err := commentID(c)
	if err != nil {
		return err
	}
	comment, err := h.store.Comment(c.Request().Context(), id)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
	return sendJSON(c, http.StatusOK, viewComment(comment))
}

// commentID returns the id in the path, or [store.ErrNotFound].
func commentID(c echo.Context) (int64, error) {
	text, err := pathParam(c, "id")
	if err != nil {
		return 0, err
	}
	return parseRowID(text)
}

// locationOfComment, with an id, is the address of a comment, relative to the address that
// comments are posted to (/v1/posts/{post}/comments). A relative address is right below
// any prefix that a proxy adds.
const locationOfComment = "../../comments/"

// create answers POST /v1/posts/{post}/comments, body {body, parentId?}, with 201, a
// Location and the comment. The body has 1 to [store.MaxBodyRunes] characters. A request
// that repeats an Idempotency-Key within a day gets the answer of the first, and is not
// charged.
//
// Problems: unauthenticated, invalid (the body), no_parent, post_locked, not_found (the
// post does not exist and is not created automatically), idempotency_key_in_flight,
// idempotency_key_reused, rate_limited.
func (h *commentHandlers) create(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	post, err := postTopic(c)
	if err != nil {
		return err
	}
	written, err := decodeComment(c)
	if err != nil {
		return err
	}
	written.PostID, written.Author = post.ID(), userOf(who)
	if written.IdempotencyKey, err = idempotencyKey(c); err != nil {
		return err
	}
	charge, err := h.charge(c.Request().Context(), who, written.IdempotencyKey)
	if err != nil {
		return err
	}
	created, err := h.store.CreateComment(c.Request().Context(), written)
	settle(charge, err)
	if err != nil {
		return err
	}
	if created.Repeated {
		charge.Refund()
	}
	h.typing.stop(c.Request().Context(), post, who)
	c.Response().Header().Set(echo.HeaderLocation, locationOfComment+idText(created.ID))
	return sendJSON(c, http.StatusCreated, viewComment(created))
}

// charge charges a new comment. A user over the limit may repeat a request whose key is
// known, because it is only answered. While the first request with the key has no outcome,
// the answer is the problem in_flight, as without a limit.
func (h *commentHandlers) charge(ctx context.Context, who auth.Identity, key string) (limit.Charge, error) {
	charge, refused := h.charges.begin(who, limit.Comments)
	if refused == nil || key == "" {
		return charge, refused
	}
	known, err := h.store.CheckKey(ctx, who.Subject, key)
	if err != nil || !known {
		return limit.Charge{}, cmp.Or(err, refused)
	}
	return limit.Charge{}, nil
}

// decodeComment reads the body of a new comment. A parentId that cannot be an id is
// answered like one that does not exist.
func decodeComment(c echo.Context) (store.NewComment, error) {
	var in struct {
		Body     string  `json:"body"`
		ParentID *string `json:"parentId"`
	}
	if err := decode(c, &in); err != nil {
		return store.NewComment{}, err
	}
	if n := utf8.RuneCountInString(in.Body); !store.Visible(in.Body) || n > store.MaxBodyRunes {
		return store.NewComment{}, problemInvalid.with(fmt.Sprintf(
			"body has %d characters: 1 to %d are possible, at least one of them visible", n, store.MaxBodyRunes))
	}
	written := store.NewComment{Body: in.Body}
	if in.ParentID != nil {
		id, err := parseRowID(*in.ParentID)
		if err != nil {
			return store.NewComment{}, store.ErrNoParent
		}
		written.ParentID = &id
	}
	return written, nil
}

// delete answers DELETE /v1/comments/{id} with 204. A comment that has replies stays as a
// tombstone without text and author.
//
// Problems: unauthenticated, not_found, unknown_field, forbidden (the user is neither the
// author nor a moderator nor an admin).
func (h *commentHandlers) delete(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	id, err := commentID(c)
	if err != nil {
		return err
	}
	if err := noFields(c); err != nil {
		return err
	}
	if err := h.store.DeleteComment(c.Request().Context(), id, who.Subject, who.Is(auth.RoleModerator, auth.RoleAdmin)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// A commentJSON shows a comment, in answers as in events.
type commentJSON struct {
	ID         string    `json:"id"`
	PostID     string    `json:"postId"`
	ParentID   *string   `json:"parentId"`
	Author     *userJSON `json:"author"` // null if the comment is deleted
	Body       string    `json:"body"`
	HTML       string    `json:"html"`
	Status     string    `json:"status"`
	LikeCount  int64     `json:"likeCount"`
	ReplyCount int64     `json:"replyCount"`
	CreatedAt  string    `json:"createdAt"`
	EditedAt   *string   `json:"editedAt"`
	Version    int       `json:"version"`
}

// commentBytes is more than the members of a comment take without its texts.
const commentBytes = 512

// size returns about how many bytes the comment has as JSON.
func (v commentJSON) size() int {
	n := commentBytes + jsonSize(v.PostID) + jsonSize(v.Body) + jsonSize(v.HTML)
	if v.Author != nil {
		n += jsonSize(v.Author.ID) + jsonSize(v.Author.Name)
		if v.Author.AvatarURL != nil {
			n += jsonSize(*v.Author.AvatarURL)
		}
	}
	return n
}

func viewComment(c store.Comment) commentJSON {
	v := commentJSON{
		ID: idText(c.ID), PostID: c.PostID, ParentID: optionalID(c.ParentID),
		Body: c.Body, HTML: c.HTML, Status: c.Status, LikeCount: c.Likes, ReplyCount: c.Replies,
		CreatedAt: timestamp(c.CreatedAt), EditedAt: optionalTimestamp(c.EditedAt), Version: c.Version,
	}
	if c.Status != store.StatusDeleted {
		author := viewUser(c.Author)
		v.Author = &author
	}
	return v
}
