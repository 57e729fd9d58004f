package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

// muster is how long readers may take to begin.
const muster = 30 * time.Second

// A fleet is all readers of a run.
type fleet struct {
	readers []*reader
	running sync.WaitGroup
	done    chan struct{} // closed when all readers have finished
}

// as are the servers as one user calls them.
func as(doors []*client.Client, token string) []*client.Client {
	all := make([]*client.Client, len(doors))
	for i, d := range doors {
		all[i] = d.As(token)
	}
	return all
}

func newFleet(cfg Config, cs cast, c *court, doors []*client.Client, live *counters) (*fleet, error) {
	f := &fleet{done: make(chan struct{})}
	for i := range cfg.Readers {
		user, topics, asked := cs.part(i)
		token, err := cs.token(user)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("reader %d", i)
		f.readers = append(f.readers, &reader{
			name: name, doors: as(doors, token), topics: topics, asked: asked,
			trail: c.admit(name, topics), now: c.ledger.now, random: cfg.random("reader", i),
			live: live, silence: cfg.Silence,
		})
	}
	return f, nil
}

// start returns when each reader has its first cursor: whatever is written after
// that, it must see.
func (f *fleet) start(ctx context.Context) error {
	begun := make(chan struct{}, len(f.readers))
	for _, r := range f.readers {
		r.begun = func() { begun <- struct{}{} }
		f.running.Go(func() { r.run(ctx) })
	}
	go func() { f.running.Wait(); close(f.done) }()
	timeout := time.NewTimer(muster)
	defer timeout.Stop()
	for range f.readers {
		select {
		case <-begun:
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C:
			return errors.New("readers get no stream: is it the right server, and the right secret?")
		}
	}
	return nil
}
