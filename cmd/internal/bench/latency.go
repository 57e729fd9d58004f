package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Latency is the time that one comment takes on a server that has nothing else to do.
type Latency struct {
	Comments int       `json:"comments"`
	Post     Summary   `json:"post"` // until the response to the POST
	SSE      Seen      `json:"sse"`
	Poll     Seen      `json:"poll"`
	Floor    *Floor    `json:"floor,omitempty"`    // nil if the database is not known
	Rows     *SameRows `json:"sameRows,omitempty"` // nil if the database is not known
	Ratios   *Ratios   `json:"ratios,omitempty"`   // nil if the database is not known
	Faults   Faults    `json:"faults"`
}

// Seen is the time until a reader has received a comment.
type Seen struct {
	FromStart  Summary `json:"fromStart"`  // from the start of the POST
	FromAnswer Summary `json:"fromAnswer"` // from the response to the POST; may be negative
}

// Ratios are medians of Latency divided by medians of its Floor or SameRows.
type Ratios struct {
	Post float64 `json:"postToInsert"`
	SSE  float64 `json:"sseToInsertAndNotify"`
	Poll float64 `json:"pollToInsertAndNotify"`

	PostRows float64 `json:"postToSameRows"`
	SSERows  float64 `json:"sseToSameRowsRead"`
	PollRows float64 `json:"pollToSameRowsRead"`
}

// latency writes comments one after another and times an SSE and a long-poll reader.
func (c Config) latency(ctx context.Context, t *target, report *Report) error {
	t.out.logf("latency: %d comments one after another", c.Comments)
	m, err := t.openLatency(ctx)
	if err != nil {
		return err
	}
	defer m.close()
	defer t.out.logDuring(func() string { return fmt.Sprintf("latency: %d of %d", m.done.Load(), c.Comments) })()
	for n := range c.Comments {
		if err := m.step(ctx, n); err != nil {
			return err
		}
	}
	report.Latency, err = m.result(ctx)
	if err != nil {
		return err
	}
	report.Latency.print(t.out)
	return nil
}

// A latencyMeter has the connections of the latency section.
type latencyMeter struct {
	target *target
	post   string
	writer *commentWriter
	sse    *timedReader
	poll   *timedReader
	floor  *floorMeter // nil if the database is not known
	rows   *rowsMeter  // nil if the database is not known
	acked  []int       // numbers of the acknowledged comments
	took   []time.Duration
	done   atomic.Int64 // number of comments so far, for the progress
}

// openLatency connects the writer, both readers and, if the database is known, the meters.
func (t *target) openLatency(ctx context.Context) (_ *latencyMeter, err error) {
	m := &latencyMeter{target: t, post: t.post("latency", 0)}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if m.writer, err = t.commentWriter(ctx, 0, m.post); err != nil {
		return nil, err
	}
	if m.sse, err = t.timedReader(ctx, false, m.post); err != nil {
		return nil, err
	}
	if m.poll, err = t.timedReader(ctx, true, m.post); err != nil {
		return nil, err
	}
	if m.floor, err = t.openFloor(ctx); err != nil {
		return nil, err
	}
	m.rows, err = t.openRows(ctx)
	return m, err
}

// close ends everything that openLatency has opened.
func (m *latencyMeter) close() {
	if m.writer != nil {
		m.writer.close()
	}
	for _, o := range []*timedReader{m.sse, m.poll} {
		if o != nil {
			o.pool.stop()
		}
	}
	m.floor.close()
	m.rows.close()
}

// step writes a comment, waits until both readers have it, and then measures the floor
// once. Alternating gives a slow moment of the disk the same effect on both.
func (m *latencyMeter) step(ctx context.Context, n int) error {
	begin := m.target.now()
	if err := m.writer.comment(ctx, mark{n, begin}); err != nil {
		return err
	}
	answered := m.target.now()
	m.took = append(m.took, answered-begin)
	m.acked = append(m.acked, n)
	m.sse.await(ctx, n, answered)
	m.poll.await(ctx, n, answered)
	m.done.Add(1)
	if err := m.floor.sample(ctx); err != nil {
		return err
	}
	return m.rows.sample(ctx)
}

// result waits for comments that are still missing, and returns the figures.
func (m *latencyMeter) result(ctx context.Context) (*Latency, error) {
	l := &Latency{Comments: len(m.acked), SSE: m.sse.summary(), Poll: m.poll.summary(), Floor: m.floor.summary()}
	sent := sent{acked: [][]int{m.acked}, failed: []int{0}, next: len(m.acked)}
	for _, o := range []*timedReader{m.sse, m.poll} {
		if err := o.pool.awaitEvents(ctx, sent); err != nil {
			return nil, err
		}
		l.Faults.add(o.pool.finish(sent).faults)
	}
	l.Post = summarize(m.took)
	var err error
	if l.Rows, err = m.rows.summary(); err != nil {
		return nil, err
	}
	if f := l.Floor; f != nil {
		l.Ratios = &Ratios{
			Post: ratioOf(l.Post.P50, f.Insert.P50),
			SSE:  ratioOf(l.SSE.FromStart.P50, f.InsertNotify.P50),
			Poll: ratioOf(l.Poll.FromStart.P50, f.InsertNotify.P50),

			PostRows: ratioOf(l.Post.P50, l.Rows.Insert.P50),
			SSERows:  ratioOf(l.SSE.FromStart.P50, l.Rows.Read.P50),
			PollRows: ratioOf(l.Poll.FromStart.P50, l.Rows.Read.P50),
		}
	}
	return l, nil
}

// print writes the table of the section.
func (l *Latency) print(out printer) {
	t := out.table("Latency, idle: %d comments, one after another", l.Comments)
	t.times("POST answered", l.Post)
	t.times("seen by the SSE reader, from the POST's start", l.SSE.FromStart)
	t.times("seen by the SSE reader, from the POST's answer", l.SSE.FromAnswer)
	t.times("seen by the long-poll reader, from the POST's start", l.Poll.FromStart)
	t.times("seen by the long-poll reader, from its answer", l.Poll.FromAnswer)
	if l.Floor != nil {
		t.times("floor: INSERT of one row, committed", l.Floor.Insert)
		t.times("floor: NOTIFY until a listener has it", l.Floor.Notify)
		t.times("floor: both in one commit, until a listener has it", l.Floor.InsertNotify)
		t.times("the same rows by SQL: INSERT of a comment, committed", l.Rows.Insert)
		t.times("the same rows by SQL: until a listener has read the event", l.Rows.Read)
	}
	if r := l.Ratios; r != nil {
		out.line("medians: POST is %.2f × the INSERT; SSE %.2f ×, long-poll %.2f × INSERT and NOTIFY in one commit", r.Post, r.SSE, r.Poll)
		out.line("against the same rows by SQL: POST %.2f ×; SSE %.2f ×, long-poll %.2f × the event's being read", r.PostRows, r.SSERows, r.PollRows)
	} else {
		out.line("no floor: --database-url is not set")
	}
	out.line("%v", l.Faults)
}

// A timedReader is a pool of one reader that reports when each comment arrived.
type timedReader struct {
	pool       *readerPool
	arrived    chan arrival
	fromStart  []time.Duration
	fromAnswer []time.Duration
}

// arrival is an event that a timedReader has received.
type arrival struct {
	mark mark
	at   time.Duration
}

// timedReader connects a reader of new comments of the post.
func (t *target) timedReader(ctx context.Context, poll bool, post string) (*timedReader, error) {
	f, err := t.connectReaders(ctx, readerSpec{poll: poll, event: "new-comment", posts: []string{post}, readers: 1})
	if err != nil {
		return nil, err
	}
	o := &timedReader{pool: f, arrived: make(chan arrival, 64)}
	f.readers[0].tally.watch(func(m mark, at time.Duration) {
		select {
		case o.arrived <- arrival{m, at}:
		default: // await gave up on events before this one
		}
	})
	return o, nil
}

// await waits for comment n, whose POST was answered at a time. It gives up after the
// pool's patience: the tally then counts the comment as lost.
func (o *timedReader) await(ctx context.Context, n int, answered time.Duration) {
	late := time.NewTimer(o.pool.patience)
	defer late.Stop()
	for {
		select {
		case a := <-o.arrived:
			if a.mark.n != n {
				continue
			}
			o.fromStart = append(o.fromStart, a.at-a.mark.sent)
			o.fromAnswer = append(o.fromAnswer, a.at-answered)
			return
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// summary returns the times of the comments that await has seen.
func (o *timedReader) summary() Seen {
	return Seen{summarize(o.fromStart), summarize(o.fromAnswer)}
}
