package client

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// Page is the answer to one poll.
type Page struct {
	Events []Event `json:"events"` // empty if none came in time
	Cursor string  `json:"cursor"` // where the next poll starts; it can move without events
	More   bool    `json:"more"`   // true if the next poll is answered without a wait
	User   string  `json:"user"`   // id of the caller; "" if not signed in
}

// Poll returns the events of the topics after cursor, at most limit of them. If there
// are none it waits up to wait for the first one. The cursor "" means now; such a poll
// is answered at once and returns no events, only the cursor.
//
// wait is rounded up to seconds; a negative wait means the server's default. limit 0
// means the server's default, too.
//
// Of the options, only [WithParam] and [WithPresence] have an effect.
//
// A cursor that cannot be resumed is a [*Problem] with status 410. Its field Resumed is
// the cursor to continue from.
func (c *Client) Poll(ctx context.Context, topics []string, cursor string, wait time.Duration, limit int, opts ...StreamOption) (Page, error) {
	query := newStreamOptions(opts, streamOptions{}).params
	query["topic"] = topics
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
