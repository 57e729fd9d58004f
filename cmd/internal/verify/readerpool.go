package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/page"
	"github.com/tidings-live/tidings/stream"
)

// startLimit is how long readers may take to get their first cursor.
const startLimit = 2 * time.Minute

// A readerPool runs all readers of a run.
type readerPool struct {
	readers []*reader
	running sync.WaitGroup
	done    chan struct{} // closed when all readers have returned
}

func newReaderPool(cfg Config, p participants, c *checker, servers []*client.Client, progress *progress) (*readerPool, error) {
	pool := &readerPool{done: make(chan struct{})}
	for i := range cfg.Readers {
		user, topics, requested := p.reader(i)
		token, err := p.token(user)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("reader %d", i)
		list := page.List{}
		if (i%2 == 0 || !p.private()) && i/2 < mostPages {
			list = pageLists[i/2%len(pageLists)]
			list.Post = strings.TrimPrefix(topics[0], "post:")
		}
		pool.readers = append(pool.readers, &reader{
			name: name, servers: asUser(servers, token), topics: topics, requested: requested,
			trace: c.addReader(name, topics), now: c.writes.now, random: cfg.random("reader", i),
			progress: progress, silence: cfg.Silence, list: list, findings: c.findings,
			notified: p.private() && list.Post != "",
		})
	}
	return pool, nil
}

// start starts the readers and returns when each has its first cursor: it must get
// everything that is written after that. The readers run until they are finished or
// ctx ends; wait waits for them, also if start returned an error.
func (p *readerPool) start(ctx context.Context) error {
	started := make(chan struct{}, len(p.readers))
	for _, r := range p.readers {
		r.started = func() { started <- struct{}{} }
		p.running.Go(func() { r.run(ctx) })
	}
	go func() { p.running.Wait(); close(p.done) }()
	timeout := time.NewTimer(startLimit)
	defer timeout.Stop()
	for range p.readers {
		select {
		case <-started:
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C:
			return fmt.Errorf("not all of %d readers got a cursor within %v: look at the servers' limits of streams", len(p.readers), startLimit)
		}
	}
	return nil
}

// cursorOf is the last cursor of a reader of the topic, the one that came farthest. It is
// called when all readers have returned.
func (p *readerPool) cursorOf(topic string) string {
	var farthest stream.Cursor
	for _, r := range p.readers {
		at, err := stream.ParseCursor(r.cursor)
		if err == nil && at.Position >= farthest.Position && slices.Contains(r.topics, topic) {
			farthest = at
		}
	}
	return farthest.String()
}

// wait returns when all readers have returned.
func (p *readerPool) wait() { <-p.done }
