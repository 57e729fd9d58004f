package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Post is a page of the site that can be commented on.
type Post struct {
	ID           string    `json:"id"`
	Title        string    `json:"title"`    // "" when the site gave none
	URL          string    `json:"url"`      // "" when the site gave none
	AuthorID     string    `json:"authorId"` // "" when the site gave none
	Locked       bool      `json:"locked"`
	CommentCount int64     `json:"commentCount"`
	LikeCount    int64     `json:"likeCount"`
	CreatedAt    time.Time `json:"createdAt"`
}

// PostInput is what a site tells about a post; what is empty is not sent.
type PostInput struct {
	Title    string `json:"title,omitempty"`
	URL      string `json:"url,omitempty"`
	AuthorID string `json:"authorId,omitempty"`
	Locked   bool   `json:"locked"`
}

// Post returns the post.
func (c *Client) Post(ctx context.Context, id string) (Post, error) {
	var post Post
	err := c.do(ctx, call{act: "get post", method: http.MethodGet, path: postPath(id), out: &post})
	return post, err
}

// PutPost creates or replaces the post and returns it; it takes the role service
// or admin.
func (c *Client) PutPost(ctx context.Context, id string, in PostInput) (Post, error) {
	var post Post
	err := c.do(ctx, call{act: "put post", method: http.MethodPut,
		path: postPath(id), in: in, out: &post})
	return post, err
}

// Counts is how much happened at a post.
type Counts struct {
	Comments int64 `json:"comments"`
	Likes    int64 `json:"likes"`
}

// Counts returns the counts of up to 100 posts, by their ids.
func (c *Client) Counts(ctx context.Context, posts ...string) (map[string]Counts, error) {
	var answer struct {
		Data map[string]Counts `json:"data"`
	}
	err := c.do(ctx, call{act: "get counts", method: http.MethodGet, path: "/v1/counts",
		query: url.Values{"post": posts}, out: &answer})
	return answer.Data, err
}

// Typing says that the caller is writing at the post. It is forgotten within
// seconds and stored nowhere.
func (c *Client) Typing(ctx context.Context, post string) error {
	return c.do(ctx, call{act: "signal typing", method: http.MethodPost,
		path: postPath(post) + "/typing"})
}
