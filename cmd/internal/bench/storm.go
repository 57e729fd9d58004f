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
	stormPosts = 100 // that readers and events are spread over
	stormCalm  = 4   // one part in so many of the events comes before the cut
)

// errNotBack is no loss of events: nobody knows what they would have seen.
var errNotBack = errors.New("the readers that were cut off did not all come back")

// Storm is what becomes of readers who are all cut off at once, and come back with
// their cursors while others go on publishing.
type Storm struct {
	Readers     int      `json:"readers"`
	Posts       int      `json:"posts"`
	Reconnected float64  `json:"reconnectedSeconds"` // from the cut until the server had all of them again
	CaughtUp    float64  `json:"caughtUpSeconds"`    // from the cut until they had all that was published by then; 0 when they never had
	FromMemory  int      `json:"fromMemory"`         // readers who were behind, answered without the log
	LogReads    int      `json:"logReads"`           // for the others, each for many
	Delivery    Delivery `json:"delivery"`           // cost: from before the cut to the end
}

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

// storm runs a load, cuts all readers off after some events of it, and times their
// return.
func (f *readerPool) storm(ctx context.Context, l *load, calm int) (*Storm, error) {
	s := &Storm{Readers: len(f.readers), Posts: l.posts}
	defer f.target.out.logDuring(func() string {
		return fmt.Sprintf("storm: %d sent, %d received, %d readers live", l.sent(), f.received.Load(), f.live.Load())
	})()
	before := f.target.usage()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	back := make(chan error, 1)
	go func() { back <- f.cutAt(ctx, l, calm, s) }()
	sent, err := l.run(ctx)
	if err == nil {
		err = f.awaitEvents(ctx, sent)
	}
	if err != nil {
		cancel(err)
	}
	defer time.AfterFunc(f.patience, func() { cancel(errNotBack) }).Stop()
	if err := errors.Join(err, <-back); err != nil {
		return nil, err
	}
	s.Delivery = f.delivery(before, sent, f.finish(sent))
	return s, nil
}

// cutAt waits until so many events were sent, and after the cut for the return of all
// readers.
func (f *readerPool) cutAt(ctx context.Context, l *load, calm int, s *Storm) error {
	if err := until(ctx, func() bool { return l.sent() >= calm }); err != nil {
		return err
	}
	all, becameLive := int64(len(f.readers)), f.becameLive.Load()
	cut := time.Now()
	f.cut()
	err := until(ctx, func() bool { return f.becameLive.Load() >= becameLive+all && f.live.Load() == all })
	if err != nil {
		return err
	}
	s.Reconnected = time.Since(cut).Seconds()
	goals := make([]int64, l.posts)
	for post := range goals {
		goals[post] = l.answered[post].Load()
	}
	err = until(ctx, func() bool {
		return !slices.ContainsFunc(f.readers, func(r *reader) bool { return r.tally.total() < goals[r.post] })
	})
	if errors.Is(err, errNotBack) {
		return nil // the count tells what is missing
	}
	s.CaughtUp = time.Since(cut).Seconds()
	return err
}

// until looks every now and then whether something has come true.
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

func (s *Storm) print(out printer, rate float64) {
	t := out.table("Storm: %d readers of %s cut off at once, %g events/s", s.Readers, countOf(s.Posts, "post"), rate)
	t.times("until each reader has an event, the cut included", s.Delivery.Latency)
	t.times("publish answered", s.Delivery.Publish)
	out.line("from the cut: all readers back after %.2f s, with all they missed after %.2f s", s.Reconnected, s.CaughtUp)
	out.line("answered from the server's memory: %d; reads of the log for the others: %d", s.FromMemory, s.LogReads)
	s.Delivery.print(out, fmt.Sprintf("at %g/s", rate))
}
