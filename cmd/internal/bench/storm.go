package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidings-live/tidings/api/auth"
)

const (
	stormPosts = 100 // posts that readers and events are spread over
	stormCalm  = 4   // 1/stormCalm of the events is sent before the cut
)

// errNotBack is a failure of the measurement, not of a promise: without the readers it is
// not known whether events were lost.
var errNotBack = errors.New("not all readers that were cut off reconnected")

// Storm has the figures of readers that are all cut off at the same time, and resume from
// their cursors while writers keep publishing.
type Storm struct {
	Readers     int      `json:"readers"`
	Posts       int      `json:"posts"`
	Reconnected float64  `json:"reconnectedSeconds"` // from the cut until the server had accepted all of them again
	CaughtUp    float64  `json:"caughtUpSeconds"`    // from the cut until they had all events published before that; 0 if they never had
	FromMemory  int      `json:"fromMemory"`         // reads of missed events that the server answered from its ring
	LogReads    int      `json:"logReads"`           // other reads of missed events, from the log; one read may serve many readers
	Delivery    Delivery `json:"delivery"`           // its cost includes the time before the cut
}

// storm spreads readers over posts, publishes at a steady rate and cuts the readers off.
func (c Config) storm(ctx context.Context, t *target, report *Report) error {
	posts := make([]string, min(stormPosts, c.Readers))
	topics := make([]string, len(posts))
	for i := range posts {
		posts[i] = t.post("storm", i)
		topics[i] = "post:" + posts[i]
	}
	writers, err := t.writers(len(posts), auth.RoleService)
	if err != nil {
		return err
	}
	t.out.logf("storm: %d readers connect", c.Readers)
	pool, err := t.connectReaders(ctx, readerSpec{poll: c.Poll, event: eventName, posts: posts, readers: c.Readers})
	if err != nil {
		return err
	}
	defer pool.stop()
	messages := max(stormCalm*len(posts), int(c.Rate*c.Duration.Seconds()))
	t.out.logf("storm: %d events at %g/s, and a cut after a quarter of them", messages, c.Rate)
	before := t.gauges(ctx)
	report.Storm, err = pool.storm(ctx, &load{
		workers: len(posts), posts: len(posts), send: t.publish(writers, topics...), now: t.now, more: paced(messages, c.Rate),
	}, messages/stormCalm)
	if err != nil {
		return err
	}
	after := t.gauges(ctx)
	report.Storm.FromMemory = after.since(before, "tidings_replay_hits_total")
	report.Storm.LogReads = after.since(before, "tidings_replay_log_reads_total")
	report.Storm.print(t.out, c.Rate)
	return nil
}

// storm runs a load, cuts off all readers when calm of its events are sent, and times the
// reconnect.
func (p *readerPool) storm(ctx context.Context, l *load, calm int) (*Storm, error) {
	s := &Storm{Readers: len(p.readers), Posts: l.posts}
	defer p.target.out.logDuring(func() string {
		return fmt.Sprintf("storm: %d sent, %d received, %d readers live", l.sent(), p.received.Load(), p.live.Load())
	})()
	before := p.target.usage()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	back := make(chan error, 1)
	go func() { back <- p.cutAt(ctx, l, calm, s) }()
	sent, err := l.run(ctx)
	if err == nil {
		err = p.awaitEvents(ctx, sent)
	}
	if err != nil {
		cancel(err)
	}
	defer time.AfterFunc(p.patience, func() { cancel(errNotBack) }).Stop()
	if err := errors.Join(err, <-back); err != nil {
		return nil, err
	}
	s.Delivery = p.delivery(before, sent, p.finish(sent))
	return s, nil
}

// cutAt waits until calm events are sent, closes all connections, and waits until all
// readers have reconnected and caught up. It writes the times to s.
func (p *readerPool) cutAt(ctx context.Context, l *load, calm int, s *Storm) error {
	if err := until(ctx, func() bool { return l.sent() >= calm }); err != nil {
		return err
	}
	all, becameLive := int64(len(p.readers)), p.becameLive.Load()
	cut := time.Now()
	p.cut()
	err := until(ctx, func() bool { return p.becameLive.Load() >= becameLive+all && p.live.Load() == all })
	if err != nil {
		return err
	}
	s.Reconnected = time.Since(cut).Seconds()
	goals := make([]int64, l.posts)
	for post := range goals {
		goals[post] = l.answered[post].Load()
	}
	err = until(ctx, func() bool {
		return !slices.ContainsFunc(p.readers, func(r *reader) bool { return r.tally.total() < goals[r.post] })
	})
	if errors.Is(err, errNotBack) {
		return nil // the tallies count the missing events
	}
	s.CaughtUp = time.Since(cut).Seconds()
	return err
}

// until checks every checkInterval until ok returns true. Its only error is the cause of
// ctx's end.
func until(ctx context.Context, ok func() bool) error {
	look := time.NewTicker(checkInterval)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// print writes the table of the section.
func (s *Storm) print(out printer, rate float64) {
	t := out.table("Storm: %d readers of %s cut off at once, %g events/s", s.Readers, countOf(s.Posts, "post"), rate)
	t.times("until each reader has an event, with the cut", s.Delivery.Latency)
	t.times("publish answered", s.Delivery.Publish)
	out.line("from the cut: all readers reconnected after %.2f s, caught up after %.2f s", s.Reconnected, s.CaughtUp)
	out.line("reads of missed events from the server's memory: %d, from the log: %d", s.FromMemory, s.LogReads)
	s.Delivery.print(out, fmt.Sprintf("at %g/s", rate))
}
