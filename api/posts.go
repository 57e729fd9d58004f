package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
)

// postStore is the part of *store.Store that the handlers of posts need.
type postStore interface {
	Post(ctx context.Context, id, viewer string) (store.Post, error)
	PutPost(ctx context.Context, p store.PostUpdate) (store.Post, bool, error)
}

// postHandlers answer requests for posts.
type postHandlers struct{ store postStore }

// get answers GET /v1/posts/{post} with the post, its counts and whether the caller likes it, or
// with not_found.
func (h *postHandlers) get(c echo.Context) error {
	topic, err := postTopic(c)
	if err != nil {
		return err
	}
	post, err := h.store.Post(c.Request().Context(), topic.ID(), identity(c).Subject)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-cache")
	return c.JSON(http.StatusOK, viewPost(post))
}

// put answers PUT /v1/posts/{post}, body {title?, url?, authorId?, locked?}, with the post:
// 201 if it was created, else 200. An absent field keeps its value, and null clears it. It
// needs the role service or admin; problems are unauthenticated, forbidden, unknown_field
// and invalid.
func (h *postHandlers) put(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	if !who.Is(auth.RoleService, auth.RoleAdmin) {
		return problemForbidden.with("this needs the role service or admin")
	}
	topic, err := postTopic(c)
	if err != nil {
		return err
	}
	var in struct {
		Title    field[string] `json:"title"`
		URL      field[string] `json:"url"`
		AuthorID field[string] `json:"authorId"`
		Locked   field[bool]   `json:"locked"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	update := store.PostUpdate{
		ID: topic.ID(), Title: in.Title.Change, URL: in.URL.Change, AuthorID: in.AuthorID.Change, Locked: in.Locked.Change, By: who.Subject,
	}
	post, created, err := h.store.PutPost(c.Request().Context(), update)
	if err != nil {
		return err
	}
	if created {
		return c.JSON(http.StatusCreated, viewPost(post))
	}
	return c.JSON(http.StatusOK, viewPost(post))
}

// A postJSON shows a post with its counts.
type postJSON struct {
	ID           string  `json:"id"`
	Title        *string `json:"title"`
	URL          *string `json:"url"`
	AuthorID     *string `json:"authorId"`
	Locked       bool    `json:"locked"`
	CommentCount int64   `json:"commentCount"`
	LikeCount    int64   `json:"likeCount"`
	Liked        bool    `json:"liked"` // by the caller
	CreatedAt    string  `json:"createdAt"`
}

func viewPost(p store.Post) postJSON {
	return postJSON{
		ID: p.ID, Title: p.Title, URL: p.URL, AuthorID: p.AuthorID, Locked: p.Locked,
		CommentCount: p.Comments, LikeCount: p.Likes, Liked: p.Liked, CreatedAt: timestamp(p.CreatedAt),
	}
}
