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
	// overtakeBy is how many events come while readers sleep and are then removed, and
	// beyond how many come after that: more than the instances keep in memory.
	overtakeBy = 300
	beyond     = 1200
	// overtakeLimit bounds it all; toldLimit is how long readers may take to be told.
	overtakeLimit = 90 * time.Second
	toldLimit     = 15 * time.Second
)

// overtakeReader is retention that has removed what readers who slept would read
// next. They must be told. It counts when all of them were; what one was not told and
// did not get is for its judge.
func (t *tormentor) overtakeReader(context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(t.whole, overtakeLimit)
	defer cancel()
	var sleepers []*reader
	var before []int64
	var wakes []func()
	readers := t.run.fleet.readers
	for _, n := range t.random.Perm(len(readers))[:1+len(readers)/6] {
		wakes = append(wakes, readers[n].sleep(ctx))
		sleepers, before = append(sleepers, readers[n]), append(before, readers[n].gaps.Load())
	}
	err := t.removePrefix(ctx)
	if err == nil {
		err = t.awaitGone(ctx, sleepers)
	}
	for _, wake := range wakes {
		wake()
	}
	if err != nil {
		t.run.live.problem(fmt.Errorf("overtake: %w", err))
		return false, nil
	}
	ctx, cancel = context.WithTimeout(ctx, toldLimit)
	defer cancel()
	for i := range sleepers {
		for sleepers[i].gaps.Load() == before[i] {
			if pause(ctx, lookEvery); ctx.Err() != nil {
				return false, nil
			}
		}
	}
	return true, nil
}

// awaitGone returns when every instance knows that it cannot resume the sleepers: one
// whose hub lags behind could still give them all they missed, which is as good.
func (t *tormentor) awaitGone(ctx context.Context, sleepers []*reader) error {
	for _, r := range sleepers {
		for _, door := range r.doors {
			for !gone(ctx, door, r) {
				if pause(ctx, lookEvery); ctx.Err() != nil {
					return ctx.Err()
				}
			}
		}
	}
	return nil
}

func gone(ctx context.Context, door *client.Client, r *reader) bool {
	_, err := door.Poll(ctx, r.asked, r.cursor, 0, 1)
	var p *client.Problem
	return errors.As(err, &p) && p.Status == http.StatusGone
}

// removePrefix has the log grow, waits until the recorder has all that will go, and
// removes it.
func (t *tormentor) removePrefix(ctx context.Context) error {
	topics := t.run.cast.topics()
	if err := t.flood(ctx, topics, nameNote, overtakeBy); err != nil {
		return err
	}
	var through int64
	if err := t.run.pool.QueryRow(ctx, `select tidings.head()`).Scan(&through); err != nil {
		return err
	}
	if err := t.flood(ctx, topics, nameNote, beyond); err != nil {
		return err
	}
	for t.run.court.recorder.recorded() < through {
		if pause(ctx, lookEvery); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	_, err := t.run.pool.Exec(ctx, `
		delete from tidings.events
		where position <= $1`, through)
	return err
}
