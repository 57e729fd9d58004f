package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Notification is one thing that happened to the caller.
type Notification struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"` // comment, reply or like
	PostID    string     `json:"postId"`
	CommentID *string    `json:"commentId"`
	Actor     *Author    `json:"actor"` // nil once the user is gone
	CreatedAt time.Time  `json:"createdAt"`
	ReadAt    *time.Time `json:"readAt"` // nil while unread
}

// NotificationOptions chooses a page of notifications. The zero value is the
// newest of them, read or not.
type NotificationOptions struct {
	Unread bool   // only those not read yet
	Limit  int    // 0 for the server's own
	After  string // Next of the page before
}

// NotificationList is one page of the caller's notifications, how many are
// unread, and the cursor of the snapshot they were read from.
type NotificationList struct {
	Data   []Notification `json:"data"`
	Page   PageInfo       `json:"page"`
	Unread int64          `json:"unread"`
	Cursor string         `json:"cursor"`
}

// Notifications returns a page of the caller's notifications.
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

// Ticket opens one stream, once and soon, for a listener that can send neither a
// header nor a cookie. It is a secret.
type Ticket struct {
	Ticket    string    `json:"ticket"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Ticket returns a ticket for the caller and exactly these topics; WithParam
// ("ticket", …) opens a stream with it.
func (c *Client) Ticket(ctx context.Context, topics []string) (Ticket, error) {
	in := struct {
		Topics []string `json:"topics"`
	}{topics}
	var ticket Ticket
	err := c.do(ctx, call{act: "take ticket", method: http.MethodPost,
		path: "/v1/ticket", in: in, out: &ticket})
	return ticket, err
}

// Publish puts an event of the site's own on a topic; it takes the role service.
// data is anything that encodes to JSON, a json.RawMessage as it stands.
func (c *Client) Publish(ctx context.Context, topic, event string, data any) error {
	in := struct {
		Topic string `json:"topic"`
		Event string `json:"event"`
		Data  any    `json:"data"`
	}{topic, event, data}
	return c.do(ctx, call{act: "publish", method: http.MethodPost, path: "/v1/publish", in: in})
}
