package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// Readers hop between two instances and both transports while all kinds of writers
// write. One of the instances gets each answer of Postgres late.
func TestHoppingReaders_GetEachEventOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	near := s.start(t, s.concurrent)
	slow, through := storetest.Proxy(t, s.dsn)
	slow.Delay(150 * time.Millisecond)
	far := s.start(t, func(i *instance) { i.DatabaseURL, i.ListenURL = through, through })
	topics := []string{"post:a", "post:b", "post:c"}

	var readers, writers errgroup.Group
	hoppers := make([]*hopper, 6)
	for seed := range hoppers {
		h := &hopper{
			ctx: patient(t), servers: []*server{near, far}, topics: topics,
			cursor: "1-0", random: rand.New(rand.NewPCG(uint64(seed), 0)),
		}
		hoppers[seed] = h
		readers.Go(func() error {
			if err := h.read(); err != nil {
				return fmt.Errorf("reader %d: %w", seed, err)
			}
			return nil
		})
	}
	write(t, s, &writers, near, far)
	streamtest.Must(t, writers.Wait())
	s.end(t, "post:c")
	streamtest.Must(t, readers.Wait())

	log := s.logged(t, topics...)
	for seed, h := range hoppers {
		if err := compare(h.got, log, false); err != nil {
			t.Errorf("reader %d: %v", seed, err)
		}
		t.Logf("reader %d: %d events in %d hops", seed, len(h.got), h.hops)
	}
}

// A hopper reads a few events from one instance by one transport, and goes on from its
// cursor at the other instance.
type hopper struct {
	ctx     context.Context
	servers []*server
	topics  []string
	cursor  string
	random  *rand.Rand

	got  []client.Event
	hops int
}

// read reads up to theEnd.
func (h *hopper) read() error {
	for {
		h.hops++
		hop := h.stream
		if h.random.IntN(2) == 0 {
			hop = h.poll
		}
		// Short hops reach the late instance often, long ones get its live events.
		events := 1 + h.random.IntN([]int{3, 60}[h.random.IntN(2)])
		if done, err := hop(h.servers[h.hops%2], events); done || err != nil {
			return err
		}
	}
}

// stream reads so many events, control events included, and disconnects.
func (h *hopper) stream(srv *server, events int) (done bool, err error) {
	var opts []client.StreamOption
	if h.random.IntN(2) == 0 {
		opts = append(opts, client.WithLastEventID())
	}
	s, err := srv.Stream(h.ctx, h.topics, h.cursor, opts...)
	if err != nil {
		return false, err
	}
	defer s.Close()
	for range events {
		event, err := s.Next()
		if err != nil {
			return false, err
		}
		if event.Name == "stream.ready" && event.ID != h.cursor {
			return false, fmt.Errorf("asked for %s, the stream begins at %s", h.cursor, event.ID)
		}
		if done, err = h.take(event); done || err != nil {
			return done, err
		}
		h.cursor = s.Cursor()
	}
	return false, nil
}

// poll reads one page of at most so many events.
func (h *hopper) poll(srv *server, events int) (done bool, err error) {
	page, err := srv.Poll(h.ctx, h.topics, h.cursor, time.Second, events)
	if err != nil {
		return false, err
	}
	for _, event := range page.Events {
		if done, err = h.take(event); done || err != nil {
			return done, err
		}
	}
	h.cursor = page.Cursor
	return false, nil
}

// take adds a durable event to the events that the hopper got. done is true at theEnd.
func (h *hopper) take(event client.Event) (done bool, err error) {
	switch event.Name {
	case theEnd:
		return true, nil
	case "stream.gap":
		return false, fmt.Errorf("%w: %s", errGap, event.Data)
	case "stream.ready", "stream.checkpoint":
		return false, nil
	}
	h.got = append(h.got, event)
	return false, nil
}
