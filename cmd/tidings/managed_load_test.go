package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

const (
	loadPace   = 200 * time.Millisecond // of each writer, from one comment to the next
	loadRepeat = 100 * time.Millisecond // from an answer 503 to the next attempt
)

// A load writes comments over HTTP, and repeats each one with the same Idempotency-Key until
// it is acknowledged. Readers read them meanwhile. Answers that ask to try again are kept.
type load struct {
	h       *hosted
	post    string
	servers []*server
	readers []*tap
	read    func() ([][]client.Event, error) // waits until the readers have read theEnd
	writers errgroup.Group
	ending  chan struct{} // closed when the writers have to begin no other comment

	mu           sync.Mutex // guards the fields below
	acknowledged []string   // bodies
	unavailable  []string   // details of the answers 503
	failed       error      // a writer has ended with it
}

// load starts two writers, a stream and a poll at each server, until end is called.
func (h *hosted) load(t *testing.T, servers ...*server) *load {
	t.Helper()
	h.checks++
	l := &load{h: h, servers: servers, post: fmt.Sprint("load-", h.checks), ending: make(chan struct{})}
	l.readers = tapsOn(t, "now", []string{"post:" + l.post}, servers...)
	for _, x := range l.readers {
		x.persists()
	}
	l.read = inParallel(l.readers, func(x *tap) ([]client.Event, error) { return x.upTo(theEnd) })
	ctx := patient(t)
	for n := range 2 * len(servers) {
		name := fmt.Sprint("writer", n)
		c := servers[n%len(servers)].as(t, name)
		l.writers.Go(func() error {
			tick := time.NewTicker(loadPace)
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-l.ending:
					return nil
				case <-tick.C:
				}
				if err := l.comment(ctx, c, fmt.Sprintf("%s says %d", name, i)); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		})
	}
	return l
}

// persists makes a poll ask again while the server answers 503.
func (x *tap) persists() {
	take := x.take
	x.take = func() (client.Event, error) {
		tick := time.NewTicker(loadRepeat)
		defer tick.Stop()
		for {
			event, err := take()
			var p *client.Problem
			if !errors.As(err, &p) || p.Code != "unavailable" {
				return event, err
			}
			<-tick.C
		}
	}
}

// comment writes one comment, as often as it takes.
func (l *load) comment(ctx context.Context, c *client.Client, body string) error {
	tick := time.NewTicker(loadRepeat)
	defer tick.Stop()
	for {
		_, err := c.CreateComment(ctx, l.post, client.NewComment{Body: body, IdempotencyKey: l.post + "-" + strings.ReplaceAll(body, " ", "-")})
		if acknowledged, err := l.note(body, err); acknowledged || err != nil {
			return err
		}
		<-tick.C
	}
}

// note keeps the answer to a comment. It returns an error that the server must not give.
func (l *load) note(body string, err error) (acknowledged bool, unexpected error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var p *client.Problem
	switch {
	case err == nil:
		l.acknowledged = append(l.acknowledged, body)
		return true, nil
	case errors.As(err, &p) && p.Code == "unavailable":
		l.unavailable = append(l.unavailable, p.Detail)
		return false, nil
	case errors.As(err, &p) && p.Code == "idempotency_key_in_flight":
		return false, nil
	}
	l.failed = err
	return false, err
}

// written returns how many comments are acknowledged. It ends the test if a writer has ended.
func (l *load) written(t *testing.T) int {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	streamtest.Must(t, l.failed)
	return len(l.acknowledged)
}

// awaitWritten waits until n other comments are acknowledged.
func (l *load) awaitWritten(t *testing.T, n int) {
	t.Helper()
	from := l.written(t)
	streamtest.Eventually(t, "comments are written", func() bool { return l.written(t) >= from+n })
}

// refusals returns how many answers 503 have a detail that contains the text.
func (l *load) refusals(detail string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.unavailable {
		if strings.Contains(d, detail) {
			n++
		}
	}
	return n
}

// awaitRefused waits until a writer gets a 503 whose detail contains the text.
func (l *load) awaitRefused(t *testing.T, detail string) {
	t.Helper()
	from := l.refusals(detail)
	streamtest.Eventually(t, "a comment is refused because of "+detail, func() bool { return l.refusals(detail) > from })
}

// end waits until each comment that was begun is acknowledged. Each of them must be in the
// log once, and each reader must have got the log once and in order.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.ending)
	streamtest.Must(t, l.writers.Wait())
	topic := "post:" + l.post
	l.h.reset()
	l.h.end(t, topic)
	log := l.h.logged(t, topic)
	inLog := slices.Sorted(slices.Values(bodies(log)))
	slices.Sort(l.acknowledged)
	streamtest.Want(t, "comments in the log", inLog, l.acknowledged)
	got, err := l.read()
	streamtest.Must(t, err)
	for i, x := range l.readers {
		if err := compare(got[i], log, x.exact); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}
