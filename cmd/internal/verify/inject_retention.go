package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

const (
	// removedEvents is the number of events that are published while readers are
	// paused, and are then removed. laterEvents is the number of events after those.
	// It is more than the instances keep in memory, so that they cannot replay the
	// removed events.
	removedEvents = 300
	laterEvents   = 1200
	// overtakeLimit bounds the time of the fault. gapLimit is how long the readers may
	// take to get the gap.
	overtakeLimit = 90 * time.Second
	gapLimit      = 15 * time.Second
)

// overtakeReader pauses some readers and removes the events that they would read next,
// as retention does when readers are away for too long. When they resume, each must get
// an announced gap. The fault counts as injected when all of them got one; a missing
// gap is reported by the readerCheck.
func (i *injector) overtakeReader(context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(i.whole, overtakeLimit)
	defer cancel()
	var paused []*reader
	var before []int64
	var resumes []func()
	readers := i.run.readers.readers
	for _, n := range i.random.Perm(len(readers))[:1+len(readers)/6] {
		resumes = append(resumes, readers[n].pause(ctx))
		paused, before = append(paused, readers[n]), append(before, readers[n].gaps.Load())
	}
	err := i.removePrefix(ctx)
	if err == nil {
		err = i.awaitGone(ctx, paused)
	}
	for _, resume := range resumes {
		resume()
	}
	if err != nil {
		i.failed("overtake readers", err)
		return false, nil
	}
	ctx, cancel = context.WithTimeout(ctx, gapLimit)
	defer cancel()
	for n, r := range paused {
		for r.gaps.Load() == before[n] {
			if pause(ctx, lookEvery); ctx.Err() != nil {
				return false, nil
			}
		}
	}
	return true, nil
}

// awaitGone returns when no instance can resume any of the readers from its cursor.
// Until then an instance that reads the log late could still deliver the removed
// events, which would be as good as a gap.
func (i *injector) awaitGone(ctx context.Context, readers []*reader) error {
	for _, r := range readers {
		for _, server := range r.servers {
			for !gone(ctx, server, r) {
				if pause(ctx, lookEvery); ctx.Err() != nil {
					return ctx.Err()
				}
			}
		}
	}
	return nil
}

// gone reports whether the server refuses the cursor of a paused reader.
func gone(ctx context.Context, server *client.Client, r *reader) bool {
	_, err := server.Poll(ctx, r.requested, r.cursor, 0, 1)
	var p *client.Problem
	return errors.As(err, &p) && p.Status == http.StatusGone
}

// removePrefix publishes events, waits until the recorder has copied them, and removes
// all but the last of them from the log.
func (i *injector) removePrefix(ctx context.Context) error {
	topics := i.run.participants.topics()
	if _, err := i.publishMany(ctx, topics, nameNote, removedEvents); err != nil {
		return err
	}
	var through int64
	if err := i.run.pool.QueryRow(ctx, `select tidings.head()`).Scan(&through); err != nil {
		return fmt.Errorf("find head of log: %w", err)
	}
	if _, err := i.publishMany(ctx, topics, nameNote, laterEvents); err != nil {
		return err
	}
	for i.run.checker.recorder.recorded() < through {
		if pause(ctx, lookEvery); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	_, err := i.run.pool.Exec(ctx, `
		delete from tidings.events
		where position <= $1`, through)
	return err
}
