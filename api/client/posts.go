package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Post is a page of the site that has comments and likes.
type Post struct {
	ID           string    `json:"id"`
	Title        string    `json:"title"`    // "" if the site gave none
	URL          string    `json:"url"`      // "" if the site gave none
	AuthorID     string    `json:"authorId"` // "" if the site gave none
	Locked       bool      `json:"locked"`   // true if the post takes no new comments
	CommentCount int64     `json:"commentCount"`
	LikeCount    int64     `json:"likeCount"`
	Liked        bool      `json:"liked"` // true if the caller likes the post; events do not say it
	CreatedAt    time.Time `json:"createdAt"`
}

// PostInput is the input of [Client.PutPost]. An absent member keeps its value, [Null]
// clears it; Null of Locked unlocks the post.
type PostInput struct {
	Title    Optional[string] `json:"title,omitzero"`
	URL      Optional[string] `json:"url,omitzero"`
	AuthorID Optional[string] `json:"authorId,omitzero"` // gets a notification for each comment
	Locked   Optional[bool]   `json:"locked,omitzero"`
}

// Post returns the post with its counts. A post that the server does not know is a
// [*Problem] with status 404.
func (c *Client) Post(ctx context.Context, id string) (Post, error) {
	var post Post
	err := c.do(ctx, call{act: "get post", method: http.MethodGet, out: &post}.onPost(id, ""))
	return post, err
}

// PutPost creates the post or changes its title, URL, author and lock, and returns it.
// The caller must have the role service or admin.
func (c *Client) PutPost(ctx context.Context, id string, in PostInput) (Post, error) {
	var post Post
	err := c.do(ctx, call{act: "put post", method: http.MethodPut, in: in, out: &post}.onPost(id, ""))
	return post, err
}

// Counts holds the numbers of published comments and of likes of one post.
type Counts struct {
	Comments int64 `json:"comments"`
	Likes    int64 `json:"likes"`
}

// Counts returns the counts of 1 to 100 posts, keyed by the post's id. A post that
// the server does not know has zeros.
func (c *Client) Counts(ctx context.Context, posts ...string) (map[string]Counts, error) {
	var answer struct {
		Data map[string]Counts `json:"data"`
	}
	err := c.do(ctx, call{act: "get counts", method: http.MethodGet, path: "/v1/counts",
		query: url.Values{"post": posts}, out: &answer})
	return answer.Data, err
}

// Typing tells the readers of the post that the caller is typing. The server stores
// nothing and forgets the signal after 6 seconds: send it again every few seconds while
// the user types.
func (c *Client) Typing(ctx context.Context, post string) error {
	return c.do(ctx, call{act: "signal typing", method: http.MethodPost}.onPost(post, "/typing"))
}

// Viewer is a signed-in user that reads a post.
type Viewer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Presence tells who reads a post, on all instances of the server.
type Presence struct {
	PostID  string   `json:"postId"`
	Viewers int      `json:"viewers"` // each user once, and each reader that is not signed in
	Users   []Viewer `json:"users"`   // at most 20
}

// Presence returns the readers of the post: its streams, and its polls until 10 seconds after
// their last answer. [WithPresence] asks for events when they change. A server where presence
// is switched off answers with a [*Problem] with the code switched_off.
func (c *Client) Presence(ctx context.Context, post string) (Presence, error) {
	var presence Presence
	err := c.do(ctx, call{act: "get presence", method: http.MethodGet, out: &presence}.onPost(post, "/presence"))
	return presence, err
}
