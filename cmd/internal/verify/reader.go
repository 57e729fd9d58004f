package verify

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream"
)

// A reader reads its topics from cursor to cursor: a while here by stream, a while
// there by long-poll. It notes what it sees and judges nothing.
type reader struct {
	name   string
	doors  []*client.Client // the servers, as its user
	topics []string
	asked  []string // the same, as it asks for them
	trail  *trail
	now    func() int64
	random *rand.Rand
	live   *counters
	begun  func()       // called once, when it has its first cursor
	gaps   atomic.Int64 // announced to it

	silence time.Duration // of a stream that is dead; 0: it is never given up

	cursor string
	awake  int64           // since when it has been reading on
	ended  map[string]bool // topics whose closing event it has seen

	mu     sync.Mutex         // guards what follows
	gate   chan struct{}      // closed when it may read on; nil when nobody wants it to sleep
	parked chan struct{}      // closed when it sleeps
	leave  context.CancelFunc // ends the hop
}

// run reads until it has seen the end of each topic, or ctx ends.
func (r *reader) run(ctx context.Context) {
	r.ended = make(map[string]bool)
	for ctx.Err() == nil && !r.finished() {
		hop, stop := r.enter(ctx)
		if hop == nil {
			return
		}
		err := r.hop(hop)
		stop()
		if err != nil {
			r.live.problem(err)
			pause(ctx, r.patience(err))
		}
	}
}

func (r *reader) finished() bool { return len(r.ended) == len(r.topics) }

// patience is how long to wait after an error: what the server asked for, within
// reason.
func (r *reader) patience(err error) time.Duration {
	wait := 20*time.Millisecond + time.Duration(r.random.Int64N(int64(180*time.Millisecond)))
	var p *client.Problem
	if errors.As(err, &p) {
		wait = max(wait, min(p.RetryAfter, time.Second))
	}
	return wait
}

// enter waits at the gate and returns the context of one hop, nil when ctx ended.
func (r *reader) enter(ctx context.Context) (context.Context, context.CancelFunc) {
	r.mu.Lock()
	gate := r.gate
	if gate != nil {
		close(r.parked)
	}
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, nil
		}
		r.awake = r.now()
	}
	hop, cancel := context.WithTimeout(ctx, r.stay())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leave = cancel
	if r.gate != nil && r.gate != gate {
		cancel()
	}
	return hop, cancel
}

// stay is how long a hop lasts: mostly moments, at times long enough for the rare
// things of a long stream.
func (r *reader) stay() time.Duration {
	most := 800 * time.Millisecond
	if r.random.IntN(5) == 0 {
		most = 8 * time.Second
	}
	return 30*time.Millisecond + time.Duration(r.random.Int64N(int64(most)))
}

// sleep makes the reader stop reading, and returns when it has. It sleeps until the
// function that is returned is called. One at a time may put it to sleep.
func (r *reader) sleep(ctx context.Context) (wake func()) {
	r.mu.Lock()
	gate, parked := make(chan struct{}), make(chan struct{})
	r.gate, r.parked = gate, parked
	if r.leave != nil {
		r.leave()
	}
	r.mu.Unlock()
	select {
	case <-parked:
	case <-ctx.Done():
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gate, r.parked = nil, nil
		close(gate)
	}
}

// hop reads for a while at one server by one transport. That the while is over is
// no error.
func (r *reader) hop(ctx context.Context) error {
	r.live.hops.Add(1)
	door := r.doors[r.random.IntN(len(r.doors))]
	read := r.stream
	if r.random.IntN(5) < 2 {
		read = r.poll
	}
	err := read(ctx, door)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// stream reads so many events at most, and hangs up in the middle of whatever comes.
func (r *reader) stream(ctx context.Context, door *client.Client) error {
	r.live.streams.Add(1)
	opts := []client.StreamOption{client.WithSilenceLimit(r.silence)}
	if r.random.IntN(2) == 0 {
		opts = append(opts, client.WithLastEventID())
	}
	s, err := door.Stream(ctx, r.asked, r.cursor, opts...)
	if err != nil {
		return err
	}
	defer s.Close()
	for range r.portion() {
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

// portion is how many events a hop reads at most.
func (r *reader) portion() int {
	if r.random.IntN(3) == 0 {
		return 1 + r.random.IntN(20)
	}
	return 50_000
}

// poll asks again and again. Now and then it reads a part of an answer only, and
// goes on from there.
func (r *reader) poll(ctx context.Context, door *client.Client) error {
	r.live.polls.Add(1)
	for ctx.Err() == nil && !r.finished() {
		limit := 1 + r.random.IntN(1000)
		page, err := door.Poll(ctx, r.asked, r.cursor, time.Duration(r.random.IntN(4))*time.Second, limit)
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
	kind := moved
	if first {
		kind = began
	}
	r.step(step{kind: kind}, page.Cursor)
	r.cursor = page.Cursor
}

// take notes an event, or what a control event says.
func (r *reader) take(e client.Event) {
	switch {
	case e.Name == "stream.gap":
		var gap struct{ Reason, From, Resumed string }
		_ = json.Unmarshal(e.Data, &gap) // what cannot be read is a gap from nowhere: seen below
		r.gap(gap.From, e.ID, gap.Reason)
	case e.Name == "stream.ready" && r.cursor == "":
		r.step(step{kind: began}, e.ID)
	case strings.HasPrefix(e.Name, "stream."):
		if e.ID != "" {
			r.step(step{kind: moved}, e.ID)
		}
	default:
		r.event(e)
	}
}

func (r *reader) event(e client.Event) {
	r.live.events.Add(1)
	f := factOf(e.Topic, e.Name, e.Data)
	if e.ID == "" { // ephemeral: whose it is, is all there is to judge
		if !slices.Contains(r.topics, e.Topic) {
			r.trail.add(step{kind: arrived, fact: f, at: r.now()})
		}
		return
	}
	r.step(step{kind: arrived, fact: f}, e.ID)
	if e.Name == nameEnd {
		r.ended[e.Topic] = true
	}
}

func (r *reader) gap(from, resumed, reason string) {
	r.live.gaps.Add(1)
	r.gaps.Add(1)
	at, err := stream.ParseCursor(from)
	if err != nil {
		at, _ = stream.ParseCursor(r.cursor) // the reader's own: the server named none
	}
	r.step(step{kind: skipped, from: at, reason: reason}, resumed)
	r.cursor = resumed
}

// step notes one thing. A cursor that is none becomes an event that nobody wrote.
func (r *reader) step(s step, cursor string) {
	var err error
	if s.cursor, err = stream.ParseCursor(cursor); err != nil {
		s = step{kind: arrived, fact: fact{topic: r.topics[0], name: "unreadable cursor " + cursor}}
	}
	s.at, s.awake = r.now(), r.awake
	r.trail.add(s)
	if s.kind == began {
		r.begun()
	}
}

// pause waits, but not past the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
