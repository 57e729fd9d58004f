package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// commentStore is the part of *store.Store that the handlers of comments need.
type commentStore interface {
	heldStore
	CreateComment(ctx context.Context, c store.NewComment) (store.Comment, error)
	CheckKey(ctx context.Context, user, key string) (known bool, err error)
	Comments(ctx context.Context, q store.ListQuery) (store.CommentList, error)
	Replies(ctx context.Context, q store.RepliesQuery) (store.CommentList, error)
	ListState(ctx context.Context, post, viewer string) (store.ListState, error)
	Comment(ctx context.Context, id int64, viewer string) (store.Comment, error)
	EditComment(ctx context.Context, e store.CommentEdit) (store.Comment, error)
	DeleteComment(ctx context.Context, id int64, by string, moderator bool, version *int) error
}

// commentHandlers answer requests for comments.
type commentHandlers struct {
	store  commentStore
	typing *typingHandlers

	charges    charges
	editWindow time.Duration // see Config.EditWindow
	rendered   string        // names the program and the renderer of HTML, for ETags
}

// get answers GET /v1/comments/{id} with the comment as lists show it, or for moderators with
// any comment as it is stored. Problem: not_found, also for a comment that no list shows.
func (h *commentHandlers) get(c echo.Context) error {
	id, err := commentID(c)
	if err != nil {
		return err
	}
	load, cache := h.store.Comment, "private, no-cache"
	if isModerator(identity(c)) {
		load, cache = h.store.HeldComment, "private, no-store"
	}
	comment, err := load(c.Request().Context(), id, identity(c).Subject)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, cache)
	return sendComment(c, http.StatusOK, comment)
}

// sendComment answers with a comment, whether the caller likes it, and its version as ETag, for
// If-Match.
func sendComment(c echo.Context, status int, comment store.Comment) error {
	c.Response().Header().Set("ETag", `"`+strconv.Itoa(comment.Version)+`"`)
	return sendJSON(c, status, listedJSON{commentJSON: viewComment(comment), Liked: comment.Liked})
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

// create answers POST /v1/posts/{post}/comments, body {body, parentId?, mentions?, authorId?,
// createdAt?}, with 201, a Location and the comment. The body has 1 to [store.MaxBodyRunes]
// characters, and mentions up to [store.MaxMentions] ids of users. The role service may name
// another author, and a time that is not in the future. A request that repeats an
// Idempotency-Key of the author within a day gets the answer of the first, and is not charged.
//
// Problems: unauthenticated, invalid (one of the fields), forbidden (authorId or createdAt), no_parent, post_locked, not_found (the
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
	written, err := decodeComment(c, who)
	if err != nil {
		return err
	}
	written.PostID = post.ID()
	if written.IdempotencyKey, err = idempotencyKey(c); err != nil {
		return err
	}
	charge, err := h.charge(c.Request().Context(), who, written)
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
	return sendComment(c, http.StatusCreated, created)
}

// charge charges a new comment. A user over the limit may repeat a request whose key is
// known, because it is only answered. While the first request with the key has no outcome,
// the answer is the problem in_flight, as without a limit.
func (h *commentHandlers) charge(ctx context.Context, who auth.Identity, written store.NewComment) (limit.Charge, error) {
	charge, refused := h.charges.begin(who, limit.Comments)
	if refused == nil || written.IdempotencyKey == "" {
		return charge, refused
	}
	known, err := h.store.CheckKey(ctx, written.Author.ID, written.IdempotencyKey)
	if err != nil || !known {
		return limit.Charge{}, cmp.Or(err, refused)
	}
	return limit.Charge{}, nil
}

// decodeComment reads the body of a new comment. Its author is the user, or the one that the role
// service names. A parentId that cannot be an id is answered like one that does not exist.
func decodeComment(c echo.Context, who auth.Identity) (store.NewComment, error) {
	var in struct {
		Body      string     `json:"body"`
		ParentID  *string    `json:"parentId"`
		Mentions  []string   `json:"mentions"`
		AuthorID  *string    `json:"authorId"`
		CreatedAt *time.Time `json:"createdAt"`
	}
	if err := decode(c, &in); err != nil {
		return store.NewComment{}, err
	}
	if err := validBody(in.Body); err != nil {
		return store.NewComment{}, err
	}
	if err := validMentions(in.Mentions); err != nil {
		return store.NewComment{}, err
	}
	written := store.NewComment{Author: userOf(who), Body: in.Body, Mentions: in.Mentions, CreatedAt: in.CreatedAt}
	if in.AuthorID != nil || in.CreatedAt != nil {
		if err := validOrigin(who, in.AuthorID, in.CreatedAt); err != nil {
			return store.NewComment{}, err
		}
	}
	if in.AuthorID != nil {
		written.Author = store.User{ID: *in.AuthorID}
	}
	if in.ParentID != nil {
		id, err := parseRowID(*in.ParentID)
		if err != nil {
			return store.NewComment{}, store.ErrNoParent
		}
		written.ParentID = &id
	}
	return written, nil
}

// validBody returns the problem invalid for a text that no comment may have.
func validBody(body string) error {
	if n := utf8.RuneCountInString(body); !store.Visible(body) || n > store.MaxBodyRunes {
		return problemInvalid.with(fmt.Sprintf(
			"body has %d characters: 1 to %d are possible, at least one of them visible", n, store.MaxBodyRunes))
	}
	return nil
}

// validOrigin returns the problem forbidden unless the user may write comments of others, and the
// problem invalid for an author or a time that no comment may have.
func validOrigin(who auth.Identity, author *string, created *time.Time) error {
	switch {
	case !who.Is(auth.RoleService):
		return problemForbidden.with("only the role service may give authorId or createdAt")
	case author != nil && stream.ValidID(*author) != nil:
		return problemInvalid.with("authorId is not an id of a user")
	case created != nil && (created.Year() < 1 || created.After(time.Now().Add(time.Minute))):
		return problemInvalid.with("createdAt is in the future, or before the year 1")
	}
	return nil
}

// validMentions returns the problem invalid for a list that no comment may have.
func validMentions(ids []string) error {
	if len(ids) > store.MaxMentions {
		return problemInvalid.with(fmt.Sprintf("mentions has %d ids: up to %d are possible", len(ids), store.MaxMentions))
	}
	for i, id := range ids {
		if stream.ValidID(id) != nil {
			return problemInvalid.with(fmt.Sprintf("mentions/%d is not an id of a user", i))
		}
	}
	return nil
}

// delete answers DELETE /v1/comments/{id} with 204. A comment that has replies stays as a
// tombstone without text and author. If-Match names the version that the client has seen.
//
// Problems: unauthenticated, not_found, unknown_field, forbidden (the user is neither the
// author nor a moderator), malformed (If-Match is no version), version_mismatch with the comment
// as it is now.
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
	version, err := ifMatch(c.Request().Header)
	if err != nil {
		return err
	}
	if err := h.store.DeleteComment(c.Request().Context(), id, who.Subject, isModerator(who), version); err != nil {
		return withComment(c, h.store, id, err)
	}
	return c.NoContent(http.StatusNoContent)
}

// A commentJSON shows a comment, in answers as in events.
type commentJSON struct {
	ID          string    `json:"id"`
	PostID      string    `json:"postId"`
	ParentID    *string   `json:"parentId"`
	RootID      *string   `json:"rootId"`
	Author      *userJSON `json:"author"` // null if the comment is deleted
	Body        string    `json:"body"`
	HTML        string    `json:"html"`
	Status      string    `json:"status"`
	PinnedAt    *string   `json:"pinnedAt"`
	LikeCount   int64     `json:"likeCount"`
	ReplyCount  int64     `json:"replyCount"`
	ThreadCount int64     `json:"threadCount"`
	CreatedAt   string    `json:"createdAt"`
	EditedAt    *string   `json:"editedAt"`
	Version     int       `json:"version"`
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
		ID: idText(c.ID), PostID: c.PostID, ParentID: optionalID(c.ParentID), RootID: optionalID(c.RootID),
		Body: c.Body, HTML: c.HTML, Status: c.Status, PinnedAt: optionalTimestamp(c.PinnedAt),
		LikeCount: c.Likes, ReplyCount: c.Replies, ThreadCount: c.ThreadCount,
		CreatedAt: timestamp(c.CreatedAt), EditedAt: optionalTimestamp(c.EditedAt), Version: c.Version,
	}
	if c.Author.ID != "" {
		author := viewUser(c.Author)
		v.Author = &author
	}
	return v
}
