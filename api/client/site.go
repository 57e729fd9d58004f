package client

import (
	"context"
	"net/http"
	"time"
)

// Ticket opens one stream, once, until ExpiresAt. It is meant for a browser's
// EventSource, which can send neither a header nor a cookie to another origin. A
// ticket is a secret.
type Ticket struct {
	Ticket    string    `json:"ticket"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Ticket returns a ticket for the caller and for these topics. The stream must ask for
// the same topics; WithParam("ticket", …) passes the ticket. The caller must be signed
// in and be allowed to read the topics.
func (c *Client) Ticket(ctx context.Context, topics []string) (Ticket, error) {
	in := struct {
		Topics []string `json:"topics"`
	}{topics}
	var ticket Ticket
	err := c.do(ctx, call{act: "take ticket", method: http.MethodPost,
		path: "/v1/ticket", in: in, out: &ticket})
	return ticket, err
}

// Publish commits one event of the site to a topic, as the SQL function
// tidings.publish does. data is any value that encodes to JSON; a json.RawMessage is
// sent unchanged. The caller must have the role service.
func (c *Client) Publish(ctx context.Context, topic, event string, data any) error {
	in := struct {
		Topic string `json:"topic"`
		Event string `json:"event"`
		Data  any    `json:"data"`
	}{topic, event, data}
	return c.do(ctx, call{act: "publish", method: http.MethodPost, path: "/v1/publish", in: in})
}

// Signal sends one event of the site to the readers of a topic that are connected now, as the
// SQL function tidings.signal does. The server does not keep the event, and a reader may get
// only the newest of several with the same topic and name. data has at most 6 KB. The caller
// must have the role service.
func (c *Client) Signal(ctx context.Context, topic, event string, data any) error {
	in := struct {
		Topic     string `json:"topic"`
		Event     string `json:"event"`
		Data      any    `json:"data"`
		Ephemeral bool   `json:"ephemeral"`
	}{topic, event, data, true}
	return c.do(ctx, call{act: "signal", method: http.MethodPost, path: "/v1/publish", in: in})
}
