package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

const (
	// The bounds that a server promises: the least time between two events of a post.
	presencePace = time.Second
	crowdPace    = 5 * time.Second // of presence, with more than crowdOf viewers
	typingPace   = time.Second
	// A reader that goes stays away for up to mostAway, so that the number of readers changes,
	// and so that at most one in awayOf is away.
	mostAway = 10 * time.Second
	awayOf   = 10
	// typistEvery is the time between two signals of a user that types.
	typistEvery = 3 * time.Second
	// crowdOf is the number of readers above which crowdPace holds.
	crowdOf = 100
)

// Presence has the figures of many readers of one post that ask for its presence, while some
// of them come and go, and while many users type.
type Presence struct {
	Readers int     `json:"readers"`
	Connect Connect `json:"connect"`
	Moving  Moving  `json:"moving"`
	Typing  Moving  `json:"typing"`
}

// Moving has the figures of one kind of event while the state changes all the time.
type Moving struct {
	Changes int     `json:"changes"` // readers that went and came again, or typing signals
	Failed  int     `json:"failed"`
	Failure string  `json:"failure,omitempty"` // the first
	Seconds float64 `json:"seconds"`
	Pace    Pace    `json:"pace"`
	Cost    Cost    `json:"cost"` // per change
}

// A Pace says how often readers got events of one kind.
type Pace struct {
	Deliveries int     `json:"deliveries"`
	Most       int     `json:"mostPerReader"`
	Least      float64 `json:"leastSecondsBetween"` // between two events of one reader; 0 if no reader got two
	Largest    int     `json:"largestBytes"`        // data of an event
}

// A statePace is how often one reader has got events of one kind.
type statePace struct {
	last    time.Duration
	least   time.Duration // between two events; 0: none yet
	count   int
	largest int
}

func (p *statePace) take(bytes int, now time.Duration) {
	if gap := max(1, now-p.last); p.count > 0 && (p.least == 0 || gap < p.least) {
		p.least = gap
	}
	p.last, p.count, p.largest = now, p.count+1, max(p.largest, bytes)
}

// statePaces are the kinds of events that a reader of the section presence counts.
type statePaces struct{ presence, typing statePace }

// take counts an event of one of the kinds.
func (p *statePaces) take(name string, bytes int, now time.Duration) {
	switch name {
	case "presence":
		p.presence.take(bytes, now)
	case "typing":
		p.typing.take(bytes, now)
	}
}

// presence connects readers that ask for the presence of one post. Each second, some of them
// lose their connections and connect again; then many users type. A server without presence is
// not measured.
func (c Config) presence(ctx context.Context, t *target, report *Report) error {
	post := t.post("presence", 0)
	var problem *client.Problem
	if _, err := t.client.Presence(ctx, post); errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		t.out.logf("presence: the server has none")
		return nil
	} else if err != nil {
		return err
	}
	t.out.logf("presence: %d readers connect", c.Readers)
	pool, err := t.connectPresence(ctx, post, c.Readers, c.away())
	if err != nil {
		return err
	}
	defer pool.stop()
	p := &Presence{Readers: c.Readers, Connect: Connect{pool.opened.Seconds(), float64(c.Readers) / pool.opened.Seconds()}}
	t.out.logf("presence: %d readers come and go each second", c.Visits)
	if p.Moving, err = pool.comeAndGo(ctx, c.Visits, c.Duration); err != nil {
		return err
	}
	t.out.logf("presence: %d users type", c.Typists)
	if p.Typing, err = pool.letType(ctx, post, c.Typists, c.Duration); err != nil {
		return err
	}
	p.print(t.out, c)
	report.Presence = p
	return nil
}

// away is the time for which a reader that goes stays away.
func (c Config) away() time.Duration {
	most := time.Second * time.Duration(c.Readers) / time.Duration(awayOf*max(1, c.Visits))
	return max(time.Millisecond, min(mostAway, c.Duration/2, most))
}

// connectPresence connects readers that ask for presence. One half are signed in, each as
// another user. A reader whose connection is closed connects again after the time away.
func (t *target) connectPresence(ctx context.Context, post string, n int, away time.Duration) (*readerPool, error) {
	topic := "post:" + post
	path := "/v1/events?" + url.Values{"topic": {topic}, "presence": {"1"}}.Encode()
	readers := make([]*reader, n)
	for i := range readers {
		r := &reader{protocol: eventSource{path}, topic: topic, away: away, paces: &statePaces{}}
		if i%2 == 0 {
			var err error
			if r.token, err = t.token(fmt.Sprintf("viewer-%d", i)); err != nil {
				return nil, err
			}
		}
		readers[i] = r
	}
	return t.startReaders(ctx, readers)
}

// comeAndGo closes the connections of some readers each second, in ten parts, and waits until
// the last of them have connected again. Before, it waits until the readers that have just
// connected are no change any more.
func (p *readerPool) comeAndGo(ctx context.Context, perSecond int, d time.Duration) (m Moving, err error) {
	if err := wait(ctx, presencePaceOf(len(p.readers))+time.Second); err != nil {
		return m, err
	}
	p.resetPaces()
	before, began := p.target.usage(), p.target.now()
	const parts = 10
	tick := time.NewTicker(time.Second / parts)
	defer tick.Stop()
	for n := 0; p.target.now()-began < d; n++ {
		m.Changes += p.cutSome((n+1)*perSecond/parts - n*perSecond/parts)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return m, ctx.Err()
		}
	}
	m.Seconds = (p.target.now() - began).Seconds()
	m.Cost = p.target.costSince(before, int64(m.Changes))
	if m.Pace, err = p.paceOf(ctx, func(s *statePaces) *statePace { return &s.presence }); err != nil {
		return m, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, mostAway+p.patience, errNotBack)
	defer cancel()
	return m, until(ctx, func() bool { return p.live.Load() == int64(len(p.readers)) })
}

// letType lets users type, each with a signal in typistEvery.
func (p *readerPool) letType(ctx context.Context, post string, typists int, d time.Duration) (m Moving, err error) {
	clients := make([]*client.Client, typists)
	for i := range clients {
		token, err := p.target.token(fmt.Sprintf("typist-%d", i))
		if err != nil {
			return m, err
		}
		clients[i] = p.target.client.As(token)
	}
	p.resetPaces()
	before := p.target.usage()
	rate := float64(typists) / typistEvery.Seconds()
	l := &load{workers: churners, posts: 1, now: p.target.now, more: paced(max(1, int(rate*d.Seconds())), rate)}
	l.send = func(ctx context.Context, _, n int) error { return clients[n%typists].Typing(ctx, post) }
	sent, err := l.run(ctx)
	if err != nil {
		return m, err
	}
	m = Moving{Changes: len(sent.took), Failed: sent.failures(), Failure: sent.failure(), Seconds: sent.seconds()}
	m.Cost = p.target.costSince(before, int64(m.Changes))
	m.Pace, err = p.paceOf(ctx, func(s *statePaces) *statePace { return &s.typing })
	return m, err
}

// resetPaces forgets all events. The readers' goroutines may count at the same time.
func (p *readerPool) resetPaces() {
	for _, r := range p.readers {
		r.paceLock.Lock()
		*r.paces = statePaces{}
		r.paceLock.Unlock()
	}
}

// paceOf adds up the paces of all readers.
func (p *readerPool) paceOf(ctx context.Context, of func(*statePaces) *statePace) (pace Pace, err error) {
	least := time.Duration(math.MaxInt64)
	for _, r := range p.readers {
		r.paceLock.Lock()
		one := *of(r.paces)
		r.paceLock.Unlock()
		pace.Deliveries += one.count
		pace.Most, pace.Largest = max(pace.Most, one.count), max(pace.Largest, one.largest)
		if one.least > 0 {
			least = min(least, one.least)
		}
	}
	if least != math.MaxInt64 {
		pace.Least = least.Seconds()
	}
	return pace, ctx.Err()
}

// wait returns after d, or with the error of ctx.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wrong reports whether a reader got more events than the server promises at most, or all
// readers none.
func (p *Presence) wrong() bool {
	return p.Typing.breaks(typingPace) || p.Moving.breaks(presencePaceOf(p.Readers))
}

// presencePaceOf is the least time between two presence events of a post with n readers.
func presencePaceOf(n int) time.Duration {
	if n > crowdOf {
		return crowdPace
	}
	return presencePace
}

// breaks reports whether a reader got more events than the pace allows, or nobody got any in the
// time of two. The time between two events is no measure of it, because the first of them may
// have waited in a buffer.
func (m Moving) breaks(pace time.Duration) bool {
	due := m.Seconds / pace.Seconds()
	return m.Pace.Most > int(due)+2 || due >= 2 && m.Changes > 0 && m.Pace.Deliveries == 0
}

// print writes the section.
func (p *Presence) print(out printer, c Config) {
	out.heading("Presence: %d readers of one post that ask for it, half of them signed in", p.Readers)
	out.line("connected: %.0f readers/s, all in %.2f s", p.Connect.PerSecond, p.Connect.Seconds)
	p.Moving.print(out, fmt.Sprintf("%d come and go each second, presence", c.Visits), "reader that goes and comes")
	p.Typing.print(out, fmt.Sprintf("%d users type, typing", c.Typists), "typing signal")
}

func (m Moving) print(out printer, what, change string) {
	out.line("%s: %d changes in %.1f s, %d failed", what, m.Changes, m.Seconds, m.Failed)
	if m.Failed > 0 {
		out.line("   the first failure: %s", m.Failure)
	}
	out.line("   %d events delivered, at most %d to a reader, at least %.2f s between two; the largest has %d bytes",
		m.Pace.Deliveries, m.Pace.Most, m.Pace.Least, m.Pace.Largest)
	out.cost("   ", m.Cost, change)
}
