package verify

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/page"
)

// hop reads from a random server, by stream in three of five hops and by long-poll in
// the others. It returns nil if ctx ended.
func (r *reader) hop(ctx context.Context) error {
	r.progress.hops.Add(1)
	server := r.servers[r.random.IntN(len(r.servers))]
	r.loadPage(ctx, server)
	read := r.stream
	if r.random.IntN(5) < 2 {
		read = r.poll
	}
	err := read(ctx, server)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// loadPage loads the page and the notifications of the reader, or reads what events have not said. If the server cannot,
// another hop tries again: a page that is loaded later is newer than the cursor, which does no harm.
func (r *reader) loadPage(ctx context.Context, server *client.Client) {
	if r.cursor == "" {
		return
	}
	var err, failed error
	switch {
	case r.list.Post == "":
	case r.model == nil:
		r.model, err = page.Load(ctx, server, r.list)
	default:
		err = r.model.Fill(ctx, server)
	}
	if r.notified && (r.inbox == nil || r.inbox.Stale()) {
		r.inbox, failed = page.LoadInbox(ctx, server, client.NotificationOptions{Limit: 100})
	}
	if err := cmp.Or(err, failed); err != nil && ctx.Err() == nil {
		r.progress.problem(err)
	}
}

// stream opens a stream, reads a random number of events and disconnects. It sends the
// cursor in the query or in the Last-Event-ID header.
func (r *reader) stream(ctx context.Context, server *client.Client) error {
	r.progress.streams.Add(1)
	opts := []client.StreamOption{client.WithSilenceLimit(r.silence)}
	if r.random.IntN(2) == 0 {
		opts = append(opts, client.WithLastEventID())
	}
	s, err := server.Stream(ctx, r.requested, r.cursor, opts...)
	if err != nil {
		return err
	}
	defer s.Close()
	for range r.mostEvents() {
		e, err := s.Next()
		if err != nil {
			return err
		}
		r.take(e)
		if r.cursor = s.Cursor(); r.finished() {
			return nil
		}
	}
	return nil
}

// mostEvents is how many events, control events included, one stream reads at most: up
// to 20 in one of three streams.
func (r *reader) mostEvents() int {
	if r.random.IntN(3) == 0 {
		return 1 + r.random.IntN(20)
	}
	return 50_000
}

// poll polls until ctx ends, with random waits and limits.
func (r *reader) poll(ctx context.Context, server *client.Client) error {
	r.progress.polls.Add(1)
	for ctx.Err() == nil && !r.finished() {
		limit := 1 + r.random.IntN(1000)
		page, err := server.Poll(ctx, r.requested, r.cursor, time.Duration(r.random.IntN(4))*time.Second, limit)
		var p *client.Problem
		if errors.As(err, &p) && p.Status == http.StatusGone && p.Resumed != "" {
			r.gap(p.From, p.Resumed, p.Reason)
			continue
		}
		if err != nil {
			return err
		}
		r.page(page)
	}
	return nil
}

// page takes the events of one answer. In one of six answers it takes only the first
// events, and the next request resumes from the last of those.
func (r *reader) page(page client.Page) {
	read := len(page.Events)
	if read > 1 && r.random.IntN(6) == 0 {
		read = 1 + r.random.IntN(read-1)
	}
	first := r.cursor == ""
	for _, e := range page.Events[:read] {
		r.take(e)
		if e.ID != "" {
			r.cursor = e.ID
		}
	}
	if read < len(page.Events) {
		return
	}
	kind := advanced
	if first {
		kind = started
	}
	r.record(step{kind: kind}, page.Cursor)
	r.cursor = page.Cursor
}
