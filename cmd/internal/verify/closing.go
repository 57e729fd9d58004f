package verify

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// endEvery is the time between two verify.end events of a topic.
	endEvery = 2 * time.Second
	// endRetry is the time until a verify.end that was not acknowledged is published
	// again.
	endRetry = 200 * time.Millisecond
	// quietLimit is how long a reader that servers answer gets neither an event nor a
	// cursor at most: a hop takes up to 8 s and begins with a cursor.
	quietLimit = 20 * time.Second
)

// publishEnds publishes verify.end to each topic, again and again until each reader
// has got one of each of its topics or Config.Settle is over.
func (r *run) publishEnds(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Settle)
	defer cancel()
	for {
		var all sync.WaitGroup // a server that hangs holds up the topics of one attempt, not all
		for _, topic := range r.participants.topics() {
			all.Go(func() { r.publishEnd(ctx, topic) })
		}
		all.Wait()
		select {
		case <-r.readers.done:
			return
		case <-ctx.Done():
			return
		case <-time.After(endEvery):
		}
	}
}

// publishEnd publishes verify.end to one topic until one is acknowledged.
func (r *run) publishEnd(ctx context.Context, topic string) {
	for ctx.Err() == nil {
		n := r.writes.add()
		err := r.tryPublishEnd(ctx, topic, n)
		if err == nil {
			r.writes.record(acknowledged, n)
			return
		}
		r.progress.problem(err)
		pause(ctx, endRetry)
	}
}

func (r *run) tryPublishEnd(ctx context.Context, topic string, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	if r.service != nil {
		return r.service[int(n)%len(r.service)].Publish(ctx, topic, nameEnd, note{n, topic})
	}
	return publish(ctx, r.pool, topic, nameEnd, n)
}

// checkFinished reports the readers that did not get verify.end of all their topics. It
// is called when all readers have stopped. The checker reports the events they miss. A
// reader that was stopped with the run, or that no server answers any more, is cut off:
// whether it would have got the rest is not known. So are all of them if a server does not
// answer, because each tries that server, too.
func (r *run) checkFinished(ctx context.Context, stopped bool) {
	if !slices.ContainsFunc(r.readers.readers, func(r *reader) bool { return !r.finished() }) {
		return
	}
	ended := r.writes.now()
	var down []error
	if !stopped {
		down = r.reach(ctx) // takes up to 10 s
	}
	r.down = len(down) > 0
	var unanswered []*reader
	for i, reader := range r.readers.readers {
		if reader.finished() {
			continue
		}
		quiet := time.Duration(ended - reader.heard)
		if stopped || r.down || quiet > min(quietLimit, r.cfg.Settle/2) {
			r.checker.readers[i].cutOff = true
			unanswered = append(unanswered, reader)
			continue
		}
		r.findings.add(unfinished, 1, "%s reached the end of %d of its %d topics within %v", reader.name, len(reader.ended), len(reader.topics), r.cfg.Settle)
	}
	if stopped || len(unanswered) == 0 {
		return
	}
	reason := fmt.Sprintf("%d of %d readers got no answer at the end", len(unanswered), len(r.readers.readers))
	if err := unanswered[0].failed; err != nil {
		reason += ": " + err.Error()
	}
	r.leaveOut(reason)
	for _, err := range down {
		r.leaveOut(err.Error())
	}
}
