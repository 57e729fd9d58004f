package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Likes has the figures of one load of likes on one post. Each like is by another user.
type Likes struct {
	Likes     int       `json:"likes"` // acknowledged
	Writers   int       `json:"writers"`
	Failed    int       `json:"failed"`
	Failure   string    `json:"failure,omitempty"` // the first error
	Seconds   float64   `json:"seconds"`
	PerSecond float64   `json:"likesPerSecond"`
	Put       Summary   `json:"put"`     // until the response
	Counted   int64     `json:"counted"` // the post's count after the load
	Seen      LikesSeen `json:"seen"`
	Cost      Cost      `json:"cost"` // per like
}

// wrong returns whether the count differs from the number of acknowledged likes, or a
// reader has another count, or saw it fall. A like that failed may be counted or not.
func (l *Likes) wrong() bool {
	return l.Counted < int64(l.Likes) || l.Counted > int64(l.Likes+l.Failed) || l.Seen.Missed > 0 || l.Seen.Backwards > 0
}

// likes connects readers to a post, and lets the writers like it as fast as they can.
func (c Config) likes(ctx context.Context, t *target, report *Report) error {
	t.out.logf("likes: signing %d tokens", c.Likes)
	m, err := t.openLikes(ctx, c.Likes, c.Likers)
	if err != nil {
		return err
	}
	defer m.close()
	t.out.logf("likes: %d readers connect", c.Viewers)
	readers, err := t.connectLikeReaders(ctx, t.post("likes", 0), c.Viewers)
	if err != nil {
		return err
	}
	defer readers.close()
	t.out.logf("likes: %d writers", c.Likers)
	before := t.usage()
	load := &load{workers: c.Likers, posts: 1, send: m.like, more: times(c.Likes), now: t.now}
	done := t.out.logDuring(func() string { return fmt.Sprintf("likes: %d of %d", load.sent(), c.Likes) })
	sent, err := load.run(ctx)
	done()
	if err != nil {
		return err
	}
	report.Likes = &Likes{
		Likes: len(sent.took), Writers: c.Likers, Failed: sent.failures(), Failure: sent.failure(),
		Seconds: sent.seconds(), PerSecond: float64(len(sent.took)) / sent.seconds(), Put: summarize(sent.took),
		Counted: m.most.Load(), Cost: t.costSince(before, int64(len(sent.took))),
	}
	report.Likes.Seen = readers.seen(ctx, report.Likes.Counted)
	report.Likes.print(t.out)
	return nil
}

// A likesMeter has a connection for each writer and a request for each like. The requests
// are built before the load, so that signing tokens takes no CPU time during it.
type likesMeter struct {
	conns    []*rawConn
	requests [][]byte
	most     atomic.Int64 // highest count in a response
}

// openLikes signs the users' tokens, builds the requests and connects the writers.
func (t *target) openLikes(ctx context.Context, likes, writers int) (_ *likesMeter, err error) {
	m := &likesMeter{}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	path := t.dialer.base + "/v1/posts/" + t.post("likes", 0) + "/like"
	for n := range likes {
		token, err := t.token(fmt.Sprintf("liker-%d", n))
		if err != nil {
			return m, err
		}
		m.requests = append(m.requests, fmt.Appendf(nil,
			"PUT %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n", path, t.dialer.host, token))
	}
	for range writers {
		conn, err := t.dialer.dial(ctx)
		if err != nil {
			return m, err
		}
		m.conns = append(m.conns, conn)
	}
	return m, nil
}

// close closes the writers' connections.
func (m *likesMeter) close() {
	for _, conn := range m.conns {
		conn.close()
	}
}

// like sends request n over the worker's connection and reads the response.
func (m *likesMeter) like(ctx context.Context, worker, n int) error {
	conn := m.conns[worker]
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	answer, err := conn.roundTrip(m.requests[n])
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	var liked struct {
		Count int64 `json:"count"`
	}
	if err := json.Unmarshal(text, &liked); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	for most := m.most.Load(); liked.Count > most && !m.most.CompareAndSwap(most, liked.Count); {
		most = m.most.Load()
	}
	return nil
}

// print writes the table of the section.
func (l *Likes) print(out printer) {
	t := out.table("Likes: %d writers onto one post with %d readers, each like by another user", l.Writers, l.Seen.Viewers)
	t.times("PUT answered", l.Put)
	out.line("%.0f likes/s: %d in %v, %d failed", l.PerSecond, l.Likes, time.Duration(l.Seconds*float64(time.Second)).Round(100*time.Millisecond), l.Failed)
	if l.Failed > 0 {
		out.line("the first failure: %s", l.Failure)
	}
	out.line("the post's count at the end: %d", l.Counted)
	out.line("%d readers received %.1f like-updates a second, at most %d in any second; %d missed the newest, %d saw a count fall",
		l.Seen.Viewers, l.Seen.PerSecond, l.Seen.Most, l.Seen.Missed, l.Seen.Backwards)
	out.cost("", l.Cost, "like")
}
