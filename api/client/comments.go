package client

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Author is the user who wrote a comment or caused a notification.
type Author struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	AvatarURL *string `json:"avatarUrl"` // nil if the site gave none
}

// Comment is a comment as the API returns it. The events new-comment and
// comment-updated carry the same JSON.
type Comment struct {
	ID         string     `json:"id"`
	PostID     string     `json:"postId"`
	ParentID   *string    `json:"parentId"` // nil if the comment is not a reply
	Author     *Author    `json:"author"`   // nil if the comment is deleted
	Body       string     `json:"body"`     // as the author wrote it; "" if the comment is deleted
	HTML       string     `json:"html"`     // the body as safe HTML: Markdown
	Status     string     `json:"status"`   // published, or deleted for a tombstone
	LikeCount  int64      `json:"likeCount"`
	ReplyCount int64      `json:"replyCount"` // published direct replies
	CreatedAt  time.Time  `json:"createdAt"`
	EditedAt   *time.Time `json:"editedAt"` // nil if the comment was never edited
	Version    int64      `json:"version"`  // grows with each change
}

// NewComment is the input of [Client.CreateComment].
type NewComment struct {
	Body     string  `json:"body"`               // 1 to 5,000 characters, not all of them space
	ParentID *string `json:"parentId,omitempty"` // the comment this one replies to; nil for none

	// IdempotencyKey makes a retry safe: for one day, a second call of the same user with
	// the same key and comment returns the first comment and creates none. "" sends no key.
	IdempotencyKey string `json:"-"`
}

// ListOptions selects a page of comments. The zero value is the first page in the
// server's default order.
type ListOptions struct {
	Sort  string // newest or oldest; "" means newest
	Limit int    // comments on the page, 1 to 100; 0 means the server's default
	After string // PageInfo.Next of the previous page; "" for the first page
}

// PageInfo tells where the next page of a list begins.
type PageInfo struct {
	Next string `json:"next"` // for ListOptions.After; "" on the last page
	More bool   `json:"more"`
}

// PostCounts holds the counts of the post whose comments are listed.
type PostCounts struct {
	CommentCount int64 `json:"commentCount"`
	LikeCount    int64 `json:"likeCount"`
	Liked        bool  `json:"liked"` // true if the caller likes the post
}

// CommentList is one page of a post's comments. Cursor belongs to the database
// snapshot the page was read from: a stream that starts at Cursor neither misses nor
// repeats a change of the list.
type CommentList struct {
	Data   []Comment  `json:"data"`
	Page   PageInfo   `json:"page"`
	Post   PostCounts `json:"post"`
	User   string     `json:"user"` // id of the caller; "" if not signed in
	Cursor string     `json:"cursor"`
}

// Comments returns a page of the post's comments, replies included. A post without
// comments, also one the server does not know, is an empty page and no error.
func (c *Client) Comments(ctx context.Context, post string, opts ListOptions) (CommentList, error) {
	query := url.Values{}
	set(query, "sort", opts.Sort)
	set(query, "after", opts.After)
	setLimit(query, opts.Limit)
	var list CommentList
	err := c.do(ctx, call{act: "list comments", method: http.MethodGet, query: query, out: &list}.onPost(post, "/comments"))
	return list, err
}

// CreateComment writes a comment and returns it as the table holds it after the
// site's triggers. When CreateComment returns, the transaction is committed and its
// events are in the log. The caller must be signed in.
func (c *Client) CreateComment(ctx context.Context, post string, in NewComment) (Comment, error) {
	header := http.Header{}
	if in.IdempotencyKey != "" {
		header.Set("Idempotency-Key", in.IdempotencyKey)
	}
	var comment Comment
	err := c.do(ctx, call{act: "create comment", method: http.MethodPost, header: header, in: in, out: &comment}.onPost(post, "/comments"))
	return comment, err
}

// DeleteComment deletes the comment. A comment with replies stays in lists as a
// tombstone without author and body. The caller must be its author, or have the role
// moderator or admin.
func (c *Client) DeleteComment(ctx context.Context, id string) error {
	return c.do(ctx, call{act: "delete comment", method: http.MethodDelete,
		path: "/v1/comments/" + url.PathEscape(id)})
}

// Likes is the number of likes of a post, and whether the caller is one of them.
type Likes struct {
	Count int64 `json:"count"`
	Liked bool  `json:"liked"`
}

// LikePost likes the post as the caller, who must be signed in. Another like of the
// same user changes nothing.
func (c *Client) LikePost(ctx context.Context, post string) (Likes, error) {
	return c.like(ctx, "like post", http.MethodPut, post)
}

// UnlikePost removes the caller's like of the post. Without a like it changes nothing.
func (c *Client) UnlikePost(ctx context.Context, post string) (Likes, error) {
	return c.like(ctx, "unlike post", http.MethodDelete, post)
}

func (c *Client) like(ctx context.Context, act, method, post string) (Likes, error) {
	var likes Likes
	err := c.do(ctx, call{act: act, method: method, out: &likes}.onPost(post, "/like"))
	return likes, err
}

// onPost returns the call with the address of a post and what follows it. An id with a
// slash or a percent sign goes into the query: some proxies decode the path.
func (k call) onPost(id, rest string) call {
	if !strings.ContainsAny(id, "/%") {
		k.path = "/v1/posts/" + url.PathEscape(id) + rest
		return k
	}
	query := url.Values{"post": {id}}
	maps.Copy(query, k.query)
	k.path, k.query = "/v1/posts/-"+rest, query
	return k
}

// set adds a parameter to the query unless its value is empty.
func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

// setLimit adds the parameter limit unless it is 0 or less.
func setLimit(query url.Values, limit int) {
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
}
