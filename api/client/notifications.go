package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Notification tells the caller that another user commented on the caller's post, replied to
// the caller, mentioned the caller, or liked the caller's post or comment. The likes of one post
// or comment are one notification: it is that of the newest like, and it is read when all are.
type Notification struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"` // comment, reply, mention or like
	PostID    string     `json:"postId"`
	CommentID *string    `json:"commentId"` // nil for a like of a post
	Actor     Author     `json:"actor"`     // the user who commented or liked
	Count     int64      `json:"count"`     // of kind like: the number of other users who like it; else 0
	More      bool       `json:"more"`      // the thread has reached its limit, so others may have followed untold
	CreatedAt time.Time  `json:"createdAt"`
	ReadAt    *time.Time `json:"readAt"` // nil while unread
}

// NotificationOptions selects a page of notifications. The zero value is the newest
// page, read and unread.
type NotificationOptions struct {
	Unread bool   // only unread ones
	Limit  int    // notifications on the page, 1 to 100; 0 means the server's default
	After  string // PageInfo.Next of the previous page; "" for the first page
}

// NotificationList is one page of the caller's notifications, newest first. Cursor
// belongs to the database snapshot the page was read from.
type NotificationList struct {
	Data   []Notification `json:"data"`
	Page   PageInfo       `json:"page"`
	Unread int64          `json:"unread"` // of all pages
	User   string         `json:"user"`   // id of the caller
	Cursor string         `json:"cursor"`
}

// Notifications returns a page of the caller's notifications. The caller must be
// signed in.
func (c *Client) Notifications(ctx context.Context, opts NotificationOptions) (NotificationList, error) {
	query := url.Values{}
	if opts.Unread {
		query.Set("unread", "true")
	}
	set(query, "after", opts.After)
	setLimit(query, opts.Limit)
	var list NotificationList
	err := c.do(ctx, call{act: "list notifications", method: http.MethodGet,
		path: "/v1/notifications", query: query, out: &list})
	return list, err
}

// MarkRead marks notifications of the caller as read, up to 100, and returns the number of
// unread ones that are left. The id of a like stands for all likes of the same post or comment
// up to it. Ids that the caller has no notification with are ignored. The caller must be signed
// in.
func (c *Client) MarkRead(ctx context.Context, ids ...string) (unread int64, err error) {
	if ids == nil {
		ids = []string{}
	}
	return c.markRead(ctx, struct {
		IDs []string `json:"ids"`
	}{ids})
}

// MarkAllRead marks all notifications that the caller has as read, and returns the number of
// unread ones, which came since. The caller must be signed in.
func (c *Client) MarkAllRead(ctx context.Context) (unread int64, err error) {
	return c.markRead(ctx, struct {
		All bool `json:"all"`
	}{true})
}

func (c *Client) markRead(ctx context.Context, in any) (int64, error) {
	var out struct {
		Unread int64 `json:"unread"`
	}
	err := c.do(ctx, call{act: "mark notifications as read", method: http.MethodPost,
		path: "/v1/notifications/read", in: in, out: &out})
	return out.Unread, err
}
