package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// Comments is what the handlers of comments need of the store.
type Comments interface {
	CreateComment(ctx context.Context, c store.NewComment) (store.Comment, error)
	Comments(ctx context.Context, q store.ListQuery) (store.CommentList, error)
	DeleteComment(ctx context.Context, id int64, by string, moderator bool) error
}

const defaultPageSize = 20

type commentListJSON struct {
	Data []commentJSON `json:"data"`
	Page pageJSON      `json:"page"`
	Post struct {
		CommentCount int64 `json:"commentCount"`
		LikeCount    int64 `json:"likeCount"`
		Liked        bool  `json:"liked"`
	} `json:"post"`
	Cursor stream.Cursor `json:"cursor"`
}

func (s *Server) listComments(c echo.Context) error {
	post, err := postTopic(c)
	if err != nil {
		return err
	}
	sort, q, err := listQuery(c, post.ID())
	if err != nil {
		return err
	}
	list, err := s.store.Comments(c.Request().Context(), q)
	if err != nil {
		return err
	}
	answer := commentListJSON{Data: make([]commentJSON, len(list.Comments)), Cursor: list.Cursor}
	for i, comment := range list.Comments {
		answer.Data[i] = viewComment(comment)
	}
	if list.More {
		next := encodePlace(sort, list.Comments[len(list.Comments)-1])
		answer.Page = pageJSON{Next: &next, More: true}
	}
	answer.Post.CommentCount, answer.Post.LikeCount, answer.Post.Liked = list.Counts.Comments, list.Counts.Likes, list.Liked
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-cache")
	return c.JSON(http.StatusOK, answer)
}

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

func (s *Server) createComment(c echo.Context) error {
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
	created, err := s.store.CreateComment(c.Request().Context(), written)
	if err != nil {
		return err
	}
	s.stopTyping(c.Request().Context(), post, who)
	c.Response().Header().Set(echo.HeaderLocation, "/v1/comments/"+idText(created.ID))
	return c.JSON(http.StatusCreated, viewComment(created))
}

// maxKeyBytes bounds an idempotency key.
const maxKeyBytes = 255

// idempotencyKey reads the header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header):
// a quoted string, or the bare characters of one; "" when it is absent.
func idempotencyKey(c echo.Context) (string, error) {
	headers := c.Request().Header.Values("Idempotency-Key")
	if len(headers) == 0 {
		return "", nil
	}
	key := headers[0]
	if quoted, ok := strings.CutPrefix(key, `"`); ok && len(quoted) > 0 && strings.HasSuffix(quoted, `"`) {
		key = strings.TrimSuffix(quoted, `"`)
	}
	visible := !strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' || r == '"' || r == '\\' })
	if len(headers) > 1 || key == "" || len(key) > maxKeyBytes || !visible {
		return "", problemMalformed.with(fmt.Sprintf("Idempotency-Key is not one string of 1 to %d visible ASCII characters", maxKeyBytes))
	}
	return key, nil
}

func decodeComment(c echo.Context) (store.NewComment, error) {
	var in struct {
		Body     string  `json:"body"`
		ParentID *string `json:"parentId"`
	}
	if err := decode(c, &in); err != nil {
		return store.NewComment{}, err
	}
	if n := utf8.RuneCountInString(in.Body); strings.TrimSpace(in.Body) == "" || n > store.MaxBodyRunes {
		return store.NewComment{}, problemInvalid.with(fmt.Sprintf(
			"body has %d characters: 1 to %d are possible, not all of them space", n, store.MaxBodyRunes))
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

func (s *Server) deleteComment(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	text, err := pathParam(c, "id")
	if err != nil {
		return err
	}
	id, err := parseRowID(text)
	if err != nil {
		return err
	}
	if err := s.store.DeleteComment(c.Request().Context(), id, who.Subject, who.Is(auth.RoleModerator, auth.RoleAdmin)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
