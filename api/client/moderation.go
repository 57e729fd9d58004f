package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// The methods in this file need the role moderator, admin or service.

// SetStatus gives a comment the status published, pending, rejected, spam or deleted, and
// returns it. A deleted comment that gets another status gets its last text back.
func (c *Client) SetStatus(ctx context.Context, id, status string) (Comment, error) {
	in := struct {
		Status string `json:"status"`
	}{status}
	var comment Comment
	err := c.do(ctx, call{act: "set status", method: http.MethodPut, path: commentPath(id, "/status"), header: c.ifMatch(), in: in, out: &comment})
	return comment, err
}

// PinComment pins a comment that is not a reply: lists show it first. A pinned comment that
// is pinned again keeps its place.
func (c *Client) PinComment(ctx context.Context, id string) (Comment, error) {
	return c.pin(ctx, "pin comment", http.MethodPut, id)
}

// UnpinComment removes the pin of a comment, if it has one.
func (c *Client) UnpinComment(ctx context.Context, id string) (Comment, error) {
	return c.pin(ctx, "unpin comment", http.MethodDelete, id)
}

func (c *Client) pin(ctx context.Context, act, method, id string) (Comment, error) {
	var comment Comment
	err := c.do(ctx, call{act: act, method: method, path: commentPath(id, "/pin"), header: c.ifMatch(), out: &comment})
	return comment, err
}

// Revision is a text of a comment that an edit or a deletion has replaced.
type Revision struct {
	Version    int64     `json:"version"` // of the comment with this text
	Body       string    `json:"body"`
	HTML       string    `json:"html"` // of the body, safe to show
	ReplacedAt time.Time `json:"replacedAt"`
}

// RevisionList is one page of the revisions of a comment, newest first.
type RevisionList struct {
	Data []Revision `json:"data"`
	Page PageInfo   `json:"page"`
}

// Revisions returns a page of the texts that a comment had. Sort and Flat of the options are
// not used.
func (c *Client) Revisions(ctx context.Context, id string, opts ListOptions) (RevisionList, error) {
	query := url.Values{}
	set(query, "after", opts.After)
	setLimit(query, opts.Limit)
	var list RevisionList
	err := c.do(ctx, call{act: "list revisions", method: http.MethodGet, path: commentPath(id, "/revisions"), query: query, out: &list})
	return list, err
}

// ModerationOptions selects a page of comments. The zero value is the first page of those that
// wait for a moderator.
type ModerationOptions struct {
	Status string // pending, rejected, spam or deleted; "" means pending
	Limit  int    // comments on the page, 1 to 100; 0 means the server's default
	After  string // PageInfo.Next of the previous page; "" for the first page
}

// ModerationList is one page of comments of all posts with one status, oldest first. Cursor
// belongs to the database snapshot that the page was read from: the event moderation on
// site:moderation keeps the page up to date.
type ModerationList struct {
	Data    []Comment `json:"data"`
	Page    PageInfo  `json:"page"`
	Pending int64     `json:"pending"` // number of all pending comments
	User    string    `json:"user"`    // id of the caller
	Cursor  string    `json:"cursor"`
}

// Moderation returns a page of the comments with a status.
func (c *Client) Moderation(ctx context.Context, opts ModerationOptions) (ModerationList, error) {
	query := url.Values{}
	set(query, "status", opts.Status)
	set(query, "after", opts.After)
	setLimit(query, opts.Limit)
	var list ModerationList
	err := c.do(ctx, call{act: "list comments to moderate", method: http.MethodGet, path: "/v1/moderation", query: query, out: &list})
	return list, err
}
