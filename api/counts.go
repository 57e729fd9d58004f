package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// countStore is the part of *store.Store that the handler of counts needs.
type countStore interface {
	Counts(ctx context.Context, posts []string) (map[string]store.Counts, error)
}

// countHandlers answer requests for the counts of many posts, for index pages.
type countHandlers struct{ store countStore }

// maxCounts is the largest number of posts in one request.
const maxCounts = 100

// A countsJSON shows the counts of one post.
type countsJSON struct {
	Comments int64 `json:"comments"`
	Likes    int64 `json:"likes"`
}

// list answers GET /v1/counts?post=a&post=b with the counts of 1 to 100 posts. The counts
// of a post that does not exist are 0. The answer has a weak ETag, and If-None-Match is
// answered 304. Problems: malformed, invalid_id.
func (h *countHandlers) list(c echo.Context) error {
	posts := query(c)["post"]
	if len(posts) == 0 || len(posts) > maxCounts {
		return problemMalformed.with("name 1 to 100 posts, each as post=")
	}
	for _, id := range posts {
		if err := stream.ValidPostID(id); err != nil {
			return err
		}
	}
	counts, err := h.store.Counts(c.Request().Context(), posts)
	if err != nil {
		return err
	}
	data := make(map[string]countsJSON, len(counts))
	for id, n := range counts {
		data[id] = countsJSON(n)
	}
	answer := map[string]any{"data": data}
	tag, err := tagOf(answer)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
	c.Response().Header().Set("ETag", tag)
	if hasTag(c, tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.JSON(http.StatusOK, answer)
}
