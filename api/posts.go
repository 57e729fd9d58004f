package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// Posts is what the handlers of posts and counts need of the store.
type Posts interface {
	Post(ctx context.Context, id string) (store.Post, error)
	PutPost(ctx context.Context, p store.PostUpdate) (store.Post, bool, error)
	Counts(ctx context.Context, posts []string) (map[string]store.Counts, error)
}

// Likes is what the handlers of likes need of the store.
type Likes interface {
	Like(ctx context.Context, post string, by store.User) (int64, error)
	Unlike(ctx context.Context, post, user string) (int64, error)
}

const maxCounts = 100

func (s *Server) getPost(c echo.Context) error {
	topic, err := postTopic(c)
	if err != nil {
		return err
	}
	post, err := s.store.Post(c.Request().Context(), topic.ID())
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
	return c.JSON(http.StatusOK, viewPost(post))
}

func (s *Server) putPost(c echo.Context) error {
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
	update := store.PostUpdate{ID: topic.ID()}
	var in struct {
		Title    *string `json:"title"`
		URL      *string `json:"url"`
		AuthorID *string `json:"authorId"`
		Locked   bool    `json:"locked"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	update.Title, update.URL, update.AuthorID, update.Locked = in.Title, in.URL, in.AuthorID, in.Locked
	post, created, err := s.store.PutPost(c.Request().Context(), update)
	if err != nil {
		return err
	}
	if created {
		return c.JSON(http.StatusCreated, viewPost(post))
	}
	return c.JSON(http.StatusOK, viewPost(post))
}

type likeJSON struct {
	Count int64 `json:"count"`
	Liked bool  `json:"liked"`
}

func (s *Server) likePost(c echo.Context) error {
	return s.setLike(c, true, func(ctx context.Context, post string, who auth.Identity) (int64, error) {
		return s.store.Like(ctx, post, userOf(who))
	})
}

func (s *Server) unlikePost(c echo.Context) error {
	return s.setLike(c, false, func(ctx context.Context, post string, who auth.Identity) (int64, error) {
		return s.store.Unlike(ctx, post, who.Subject)
	})
}

func (s *Server) setLike(c echo.Context, liked bool, set func(context.Context, string, auth.Identity) (int64, error)) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	post, err := postTopic(c)
	if err != nil {
		return err
	}
	count, err := set(c.Request().Context(), post.ID(), who)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, likeJSON{Count: count, Liked: liked})
}

type countsJSON struct {
	Comments int64 `json:"comments"`
	Likes    int64 `json:"likes"`
}

func (s *Server) counts(c echo.Context) error {
	posts := query(c)["post"]
	if len(posts) == 0 || len(posts) > maxCounts {
		return problemMalformed.with("name 1 to 100 posts, each as post=")
	}
	for _, id := range posts {
		if err := stream.ValidID(id); err != nil {
			return err
		}
	}
	counts, err := s.store.Counts(c.Request().Context(), posts)
	if err != nil {
		return err
	}
	data := make(map[string]countsJSON, len(counts))
	for id, n := range counts {
		data[id] = countsJSON(n)
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
	return c.JSON(http.StatusOK, map[string]any{"data": data})
}
