package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Page is one answer to a poll. Cursor is where the next poll goes on from; it may
// move without events. More says that the next poll will not have to wait.
type Page struct {
	Events []Event `json:"events"`
	Cursor string  `json:"cursor"`
	More   bool    `json:"more"`
}

// Poll returns the events of the topics after cursor ("" means now, and answers at
// once), at most limit of them, and waits up to wait for the first. A wait is
// rounded up to seconds; below zero it is the server's own, as is a limit of 0.
//
// A cursor that cannot be resumed is a *Problem with status 410 and where to go on
// from in Resumed.
func (c *Client) Poll(ctx context.Context, topics []string, cursor string, wait time.Duration, limit int) (Page, error) {
	query := url.Values{"topic": topics}
	set(query, "cursor", cursor)
	setLimit(query, limit)
	if wait >= 0 {
		seconds := (wait + time.Second - 1) / time.Second
		query.Set("wait", strconv.FormatInt(int64(seconds), 10))
	}
	var page Page
	err := c.do(ctx, call{act: "poll", method: http.MethodGet, path: "/v1/poll", query: query, out: &page})
	return page, err
}
