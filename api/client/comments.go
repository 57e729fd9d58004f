package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Author is the user a comment or a notification comes from.
type Author struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	AvatarURL *string `json:"avatarUrl"`
}

// Comment is a comment as the API returns it and as its events carry it.
type Comment struct {
	ID         string     `json:"id"`
	PostID     string     `json:"postId"`
	ParentID   *string    `json:"parentId"` // nil for a root
	Author     *Author    `json:"author"`   // nil once it is deleted
	Body       string     `json:"body"`
	HTML       string     `json:"html,omitempty"` // "" from a server that renders nothing
	Status     string     `json:"status"`
	LikeCount  int64      `json:"likeCount"`
	ReplyCount int64      `json:"replyCount"`
	CreatedAt  time.Time  `json:"createdAt"`
	EditedAt   *time.Time `json:"editedAt"`
	Version    int64      `json:"version"`
}

// NewComment is what a user writes.
type NewComment struct {
	Body     string  `json:"body"`
	ParentID *string `json:"parentId,omitempty"` // nil for a root

	// IdempotencyKey makes sending the same comment again harmless; "" for none.
	IdempotencyKey string `json:"-"`
}

// ListOptions chooses a page of comments. The zero value is the server's default.
type ListOptions struct {
	Sort  string // newest, oldest or top
	Limit int    // 0 for the server's own
	After string // Next of the page before
}

// PageInfo says whether a list goes on, and from where.
type PageInfo struct {
	Next string `json:"next"`
	More bool   `json:"more"`
}

// PostCounts is what a list of comments tells about its post.
type PostCounts struct {
	CommentCount int64 `json:"commentCount"`
	LikeCount    int64 `json:"likeCount"`
	Liked        bool  `json:"liked"` // by the caller
}

// CommentList is one page of a post's comments and the cursor of the snapshot
// it was read from: a stream opened there misses and repeats nothing.
type CommentList struct {
	Data   []Comment  `json:"data"`
	Page   PageInfo   `json:"page"`
	Post   PostCounts `json:"post"`
	Cursor string     `json:"cursor"`
}

// Comments returns a page of the post's comments.
func (c *Client) Comments(ctx context.Context, post string, opts ListOptions) (CommentList, error) {
	query := url.Values{}
	set(query, "sort", opts.Sort)
	set(query, "after", opts.After)
	setLimit(query, opts.Limit)
	var list CommentList
	err := c.do(ctx, call{act: "list comments", method: http.MethodGet,
		path: postPath(post) + "/comments", query: query, out: &list})
	return list, err
}

// CreateComment writes a comment and returns it as stored. It has been committed,
// and its events are on their way, when CreateComment returns.
func (c *Client) CreateComment(ctx context.Context, post string, in NewComment) (Comment, error) {
	header := http.Header{}
	if in.IdempotencyKey != "" {
		header.Set("Idempotency-Key", in.IdempotencyKey)
	}
	var comment Comment
	err := c.do(ctx, call{act: "create comment", method: http.MethodPost,
		path: postPath(post) + "/comments", header: header, in: in, out: &comment})
	return comment, err
}

// DeleteComment deletes the comment; one with replies leaves a tombstone.
func (c *Client) DeleteComment(ctx context.Context, id string) error {
	return c.do(ctx, call{act: "delete comment", method: http.MethodDelete, path: commentPath(id)})
}

// Likes is a target's likes, and whether the caller's is among them.
type Likes struct {
	Count int64 `json:"count"`
	Liked bool  `json:"liked"`
}

// LikePost likes the post; liking it again changes nothing.
func (c *Client) LikePost(ctx context.Context, post string) (Likes, error) {
	return c.like(ctx, "like post", http.MethodPut, postPath(post))
}

// UnlikePost takes the like back; without one it changes nothing.
func (c *Client) UnlikePost(ctx context.Context, post string) (Likes, error) {
	return c.like(ctx, "unlike post", http.MethodDelete, postPath(post))
}

// LikeComment likes the comment; liking it again changes nothing.
func (c *Client) LikeComment(ctx context.Context, id string) (Likes, error) {
	return c.like(ctx, "like comment", http.MethodPut, commentPath(id))
}

// UnlikeComment takes the like back; without one it changes nothing.
func (c *Client) UnlikeComment(ctx context.Context, id string) (Likes, error) {
	return c.like(ctx, "unlike comment", http.MethodDelete, commentPath(id))
}

func (c *Client) like(ctx context.Context, act, method, target string) (Likes, error) {
	var likes Likes
	err := c.do(ctx, call{act: act, method: method, path: target + "/like", out: &likes})
	return likes, err
}

// postPath escapes an id once, slashes included; so does commentPath.
func postPath(id string) string    { return "/v1/posts/" + url.PathEscape(id) }
func commentPath(id string) string { return "/v1/comments/" + url.PathEscape(id) }

// set puts a parameter that is not empty into the query.
func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

func setLimit(query url.Values, limit int) {
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
}
