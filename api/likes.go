package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/store"
)

// likeStore is the part of *store.Store that the handlers of likes need.
type likeStore interface {
	Like(ctx context.Context, post string, by store.User) (store.Likes, error)
	Unlike(ctx context.Context, post, user string) (store.Likes, error)
}

// likeHandlers answer PUT and DELETE /v1/posts/{post}/like with 200, the number of likes
// and whether the user likes the post now: a trigger of the site may have left the change
// out. Both are idempotent.
//
// Problems: unauthenticated, invalid_id, unknown_field, not_found (the post does not exist and
// is not created automatically), invalid (a trigger of the site refuses), rate_limited.
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
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	post, err := postTopic(c)
	if err != nil {
		return err
	}
	if err := noFields(c); err != nil {
		return err
	}
	charge, err := h.charges.begin(who, limit.Likes)
	if err != nil {
		return err
	}
	likes, err := h.store.Like(c.Request().Context(), post.ID(), userOf(who))
	settle(charge, err)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, likeJSON{Count: likes.Count, Liked: likes.Liked})
}

func (h *likeHandlers) delete(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	post, err := postTopic(c)
	if err != nil {
		return err
	}
	if err := noFields(c); err != nil {
		return err
	}
	charge, err := h.charges.begin(who, limit.Likes)
	if err != nil {
		return err
	}
	likes, err := h.store.Unlike(c.Request().Context(), post.ID(), who.Subject)
	settle(charge, err)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, likeJSON{Count: likes.Count, Liked: likes.Liked})
}
