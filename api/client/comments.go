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
	ID          string     `json:"id"`
	PostID      string     `json:"postId"`
	ParentID    *string    `json:"parentId"` // nil if the comment is not a reply
	RootID      *string    `json:"rootId"`   // the comment at the top of the thread; nil for that one
	Author      *Author    `json:"author"`   // nil if the comment is deleted
	Body        string     `json:"body"`     // as its author wrote it; "" if the comment is deleted
	HTML        string     `json:"html"`     // of the body, safe to show; "" if the comment is deleted
	Status      string     `json:"status"`   // published, or deleted for a tombstone; moderators see others
	PinnedAt    *time.Time `json:"pinnedAt"` // nil if the comment is not pinned
	LikeCount   int64      `json:"likeCount"`
	ReplyCount  int64      `json:"replyCount"`  // published direct replies
	ThreadCount int64      `json:"threadCount"` // of a root: published comments below it, at any depth
	CreatedAt   time.Time  `json:"createdAt"`
	EditedAt    *time.Time `json:"editedAt"` // nil if the comment was never edited
	Version     int64      `json:"version"`  // grows with each change

	Liked   bool     `json:"liked,omitempty"`   // true if the caller likes the comment; events do not say it
	Replies *Replies `json:"replies,omitempty"` // of a root in a list: the first comments below it
}

// Replies are the first comments below a root, by time. If there are more, they follow in
// [Client.Replies] after Page.Next.
type Replies struct {
	Data []Comment `json:"data"`
	Page PageInfo  `json:"page"`
}

// NewComment is the input of [Client.CreateComment].
type NewComment struct {
	Body     string   `json:"body"`               // 1 to 5,000 characters, not all of them space
	ParentID *string  `json:"parentId,omitempty"` // the comment this one replies to; nil for none
	Mentions []string `json:"mentions,omitempty"` // ids of users: those who have commented on the post are notified; up to 100

	// The role service may name another author, and when the comment was written elsewhere.
	AuthorID  *string    `json:"authorId,omitempty"`
	CreatedAt *time.Time `json:"createdAt,omitempty"` // not in the future; nil for now

	// IdempotencyKey makes a retry safe: for one day, a second call of the same user with
	// the same key and comment returns the first comment and creates none. "" sends no key.
	IdempotencyKey string `json:"-"`
}

// ListOptions selects a page of comments. The zero value is the first page in the
// server's default order.
type ListOptions struct {
	Sort  string // newest, oldest or top (most likes); "" means newest
	Flat  bool   // all comments by time; otherwise roots, pinned ones first, with their first replies
	Limit int    // comments on the page, 1 to 100; 0 means the server's default
	After string // PageInfo.Next of the previous page; "" for the first page
}

// PageInfo tells where the next page of a list begins.
type PageInfo struct {
	Next string `json:"next"` // for ListOptions.After; "" on the last page
	More bool   `json:"more"`
}

// ListedPost is the post whose comments are listed.
type ListedPost struct {
	ID           string `json:"id"`
	Title        string `json:"title"`  // "" if the site gave none
	URL          string `json:"url"`    // "" if the site gave none
	Locked       bool   `json:"locked"` // true if the post takes no new comments
	CommentCount int64  `json:"commentCount"`
	LikeCount    int64  `json:"likeCount"`
	Liked        bool   `json:"liked"` // true if the caller likes the post
}

// CommentList is one page of a post's comments. Cursor belongs to the database
// snapshot the page was read from: a stream that starts at Cursor neither misses nor
// repeats a change of the list.
type CommentList struct {
	Data   []Comment  `json:"data"`
	Page   PageInfo   `json:"page"`
	Post   ListedPost `json:"post"` // the zero ListedPost in an answer of Replies
	User   string     `json:"user"` // id of the caller; "" if not signed in
	Cursor string     `json:"cursor"`
}

// Comments returns a page of the post's comments. A post without comments, also one the
// server does not know, is an empty page and no error.
func (c *Client) Comments(ctx context.Context, post string, opts ListOptions) (CommentList, error) {
	query := url.Values{}
	set(query, "sort", opts.Sort)
	if opts.Flat {
		query.Set("flat", "1")
	}
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

// Comment returns a comment as lists show it, or for moderators any comment.
func (c *Client) Comment(ctx context.Context, id string) (Comment, error) {
	var comment Comment
	err := c.do(ctx, call{act: "get comment", method: http.MethodGet, path: commentPath(id, ""), out: &comment})
	return comment, err
}

// Replies returns a page of the comments below a root at any depth, or of the direct replies
// to another comment, by time. Sort and Flat of the options are not used.
func (c *Client) Replies(ctx context.Context, id string, opts ListOptions) (CommentList, error) {
	query := url.Values{}
	set(query, "after", opts.After)
	setLimit(query, opts.Limit)
	var list CommentList
	err := c.do(ctx, call{act: "list replies", method: http.MethodGet, path: commentPath(id, "/replies"), query: query, out: &list})
	return list, err
}

// EditComment changes the text of a comment. A version other than 0 must be that of the
// comment, as with [Client.IfVersion]. The caller must be the author, for some time after the
// comment, or have the role moderator, admin or service.
func (c *Client) EditComment(ctx context.Context, id, body string, version int64) (Comment, error) {
	if version != 0 {
		c = c.IfVersion(version)
	}
	in := struct {
		Body string `json:"body"`
	}{body}
	var comment Comment
	err := c.do(ctx, call{act: "edit comment", method: http.MethodPatch, path: commentPath(id, ""), header: c.ifMatch(), in: in, out: &comment})
	return comment, err
}

// DeleteComment deletes the comment. A comment stays in lists as a tombstone without author
// and body while a published comment is below it. The caller must be its author, or have the
// role moderator, admin or service.
func (c *Client) DeleteComment(ctx context.Context, id string) error {
	return c.do(ctx, call{act: "delete comment", method: http.MethodDelete, path: commentPath(id, ""), header: c.ifMatch()})
}

// commentPath returns the path of a comment and what follows it.
func commentPath(id, rest string) string { return "/v1/comments/" + url.PathEscape(id) + rest }

// Likes is the number of likes of a post or comment, and whether the caller likes it.
type Likes struct {
	Count int64 `json:"count"`
	Liked bool  `json:"liked"`
}

// LikePost likes the post as the caller, who must be signed in. Another like of the
// same user changes nothing.
func (c *Client) LikePost(ctx context.Context, post string) (Likes, error) {
	return c.like(ctx, call{act: "like post", method: http.MethodPut}.onPost(post, "/like"))
}

// UnlikePost removes the caller's like of the post. Without a like it changes nothing.
func (c *Client) UnlikePost(ctx context.Context, post string) (Likes, error) {
	return c.like(ctx, call{act: "unlike post", method: http.MethodDelete}.onPost(post, "/like"))
}

// LikeComment likes a published comment as the caller, who must be signed in. Another like of
// the same user changes nothing. Of any other comment, the error is a [*Problem] with status 404.
func (c *Client) LikeComment(ctx context.Context, id string) (Likes, error) {
	return c.like(ctx, call{act: "like comment", method: http.MethodPut, path: commentPath(id, "/like")})
}

// UnlikeComment removes the caller's like of a published comment. Without a like it changes
// nothing. Of any other comment, the error is a [*Problem] with status 404.
func (c *Client) UnlikeComment(ctx context.Context, id string) (Likes, error) {
	return c.like(ctx, call{act: "unlike comment", method: http.MethodDelete, path: commentPath(id, "/like")})
}

func (c *Client) like(ctx context.Context, k call) (likes Likes, err error) {
	k.out = &likes
	err = c.do(ctx, k)
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
