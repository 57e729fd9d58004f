package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

// end closes the topics again and again until every reader has seen it, or the time
// to settle is over.
func (r *run) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Settle)
	defer cancel()
	for {
		for _, topic := range r.cast.topics() {
			r.closeTopic(ctx, topic)
		}
		select {
		case <-r.fleet.done:
			return
		case <-ctx.Done():
			return
		case <-time.After(closeEvery):
		}
	}
}

// closeTopic publishes a closing event until one is acknowledged.
func (r *run) closeTopic(ctx context.Context, topic string) {
	for ctx.Err() == nil {
		n := r.ledger.begin()
		err := r.publishEnd(ctx, topic, n)
		if err == nil {
			r.ledger.answered(acknowledged, n)
			return
		}
		r.live.problem(err)
		pause(ctx, 200*time.Millisecond)
	}
}

func (r *run) publishEnd(ctx context.Context, topic string, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	if r.service != nil {
		return r.service[int(n)%len(r.service)].Publish(ctx, topic, nameEnd, note{n, topic})
	}
	return publish(ctx, r.pool, topic, nameEnd, n)
}

// blameUnfinished counts the readers that did not see the end of all their topics,
// when all have stopped. What they miss is for the judges to say.
func (r *run) blameUnfinished() {
	for _, reader := range r.fleet.readers {
		if !reader.finished() {
			r.tally.count(unfinished, 1, "%s saw the end of %d of its %d topics within %v", reader.name, len(reader.ended), len(reader.topics), r.cfg.Settle)
		}
	}
}

// judge hears the rest and compares the counts.
func (r *run) judge(ctx context.Context) error {
	r.blameUnfinished()
	if err := r.court.close(ctx); err != nil {
		return err
	}
	if err := r.judgeCounts(ctx); err != nil {
		return fmt.Errorf("compare counts: %w", err)
	}
	if err := r.judgeTables(ctx); err != nil {
		return fmt.Errorf("compare tables: %w", err)
	}
	return nil
}

// judgeCounts compares the newest counts of the truth with those that the server
// answers.
func (r *run) judgeCounts(ctx context.Context) error {
	counts, err := r.counts(ctx)
	if err != nil {
		return err
	}
	for _, post := range r.cast.posts {
		told, got := counts[post], client.Counts{}
		topic := "post:" + post
		got.Comments = r.court.truth.newest[hash(topic, "comment-count", "")].count
		got.Likes = r.court.truth.newest[hash(topic, "like-update", "")].count
		if got != told {
			r.tally.count(lost, 1, "%s: the last events say %d comments and %d likes, the server %d and %d", post, got.Comments, got.Likes, told.Comments, told.Likes)
		}
	}
	return nil
}

func (r *run) counts(ctx context.Context) (counts map[string]client.Counts, err error) {
	for range 20 {
		if counts, err = r.doors[0].Counts(ctx, r.cast.posts...); err == nil {
			return counts, nil
		}
		pause(ctx, 500*time.Millisecond)
	}
	return nil, err
}

func (r *run) report() *Report {
	fates := r.ledger.fates()
	faults, notes := r.tally.sum()
	rep := &Report{
		Began: r.began.UTC(), Seconds: time.Since(r.began).Seconds(), Seed: r.cfg.Seed, Run: r.cast.run,
		Servers: len(r.doors), Readers: r.cfg.Readers, Writers: r.cfg.Writers,
		WithLog: r.court.recorder != nil, LogRows: r.court.truth.rows, Private: r.cast.private(),
		Writes: fates[acknowledged], Unknown: fates[unanswered], Refused: fates[refused], Undone: fates[takenBack],
		Hops: r.live.hops.Load(), Streams: r.live.streams.Load(), Polls: r.live.polls.Load(),
		Faults: faults, Notes: notes, Latency: r.court.times.latency(), Problems: r.live.met(),
	}
	rep.Arrived, rep.AnnouncedGaps = r.court.delivered()
	if r.intrude != nil {
		rep.Intruded = r.intrude.turnedAway
	}
	if r.world != nil {
		rep.Injected = r.world.injected()
	}
	return rep
}
