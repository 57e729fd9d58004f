package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/store"
)

// likeStore is the part of *store.Store that the handlers of likes need.
type likeStore interface {
	Like(ctx context.Context, post string, by store.User) (store.Likes, error)
	Unlike(ctx context.Context, post, user string) (store.Likes, error)
	LikeComment(ctx context.Context, id int64, by store.User) (store.Likes, error)
	UnlikeComment(ctx context.Context, id int64, user string) (store.Likes, error)
}

// likeHandlers answer PUT and DELETE of /v1/posts/{post}/like and /v1/comments/{id}/like with 200,
// the number of likes and whether the user likes the post or comment now: a trigger of the site
// may have left the change out. Both methods are idempotent.
//
// Problems: unauthenticated, invalid_id, unknown_field, not_found (the post does not exist and
// is not created automatically, or the comment is not published), invalid (a trigger of the site
// refuses), rate_limited.
type likeHandlers struct {
	store   likeStore
	charges charges
}

// A likeJSON is the answer to both.
type likeJSON struct {
	Count int64 `json:"count"`
	Liked bool  `json:"liked"`
}

func (h *likeHandlers) put(c echo.Context) error {
	post, err := postTopic(c)
	return h.write(c, err, func(ctx context.Context, who auth.Identity) (store.Likes, error) {
		return h.store.Like(ctx, post.ID(), userOf(who))
	})
}

func (h *likeHandlers) delete(c echo.Context) error {
	post, err := postTopic(c)
	return h.write(c, err, func(ctx context.Context, who auth.Identity) (store.Likes, error) {
		return h.store.Unlike(ctx, post.ID(), who.Subject)
	})
}

func (h *likeHandlers) putOfComment(c echo.Context) error {
	id, err := commentID(c)
	return h.write(c, unpublished(err), func(ctx context.Context, who auth.Identity) (store.Likes, error) {
		likes, err := h.store.LikeComment(ctx, id, userOf(who))
		return likes, unpublished(err)
	})
}

func (h *likeHandlers) deleteOfComment(c echo.Context) error {
	id, err := commentID(c)
	return h.write(c, unpublished(err), func(ctx context.Context, who auth.Identity) (store.Likes, error) {
		likes, err := h.store.UnlikeComment(ctx, id, who.Subject)
		return likes, unpublished(err)
	})
}

// unpublished adds to not_found why a comment has no likes to change.
func unpublished(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return problemNotFound.with("no published comment has this id")
	}
	return err
}

// write charges the user and answers with the likes that a write returns. An unusable id is
// reported after a missing user.
func (h *likeHandlers) write(c echo.Context, invalid error, write func(context.Context, auth.Identity) (store.Likes, error)) error {
	who, err := signedIn(c)
	if err = cmp.Or(err, invalid); err != nil {
		return err
	}
	if err := noFields(c); err != nil {
		return err
	}
	charge, err := h.charges.begin(who, limit.Likes)
	if err != nil {
		return err
	}
	likes, err := write(c.Request().Context(), who)
	settle(charge, err)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, likeJSON{Count: likes.Count, Liked: likes.Liked})
}
