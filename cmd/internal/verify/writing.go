package verify

import (
	"context"
	"sync"
	"time"
)

// untilEvery is the time between two calls of Config.Until.
const untilEvery = 20 * time.Millisecond

// write runs the writers, the unauthorized reader and the injector until Duration is
// over or Config.Until returns true, and returns when all of them have ended. An error
// means that a server did not come back after a fault.
func (r *run) write(ctx context.Context) error {
	writing, stop := context.WithTimeout(ctx, r.cfg.Duration)
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { r.stopWhenEnough(writing, stop) })
	for i := range r.cfg.Writers {
		writer, err := r.writer(i)
		if err != nil {
			stop()
			all.Wait()
			return err
		}
		all.Go(func() { writer(writing) })
	}
	if r.unauthorized != nil {
		all.Go(func() { r.unauthorized.run(writing) })
	}
	var err error
	if r.injector != nil {
		all.Go(func() {
			if err = r.injector.inject(writing, ctx); err != nil {
				stop()
			}
		})
	}
	all.Wait()
	return err
}

// stopWhenEnough calls stop as soon as Config.Until returns true.
func (r *run) stopWhenEnough(ctx context.Context, stop func()) {
	for r.cfg.Until != nil && ctx.Err() == nil {
		if r.cfg.Until(r.activity()) {
			stop()
			return
		}
		pause(ctx, untilEvery)
	}
}

func (r *run) activity() Activity {
	a := Activity{Writes: r.progress.writes.Load(), Events: r.progress.events.Load(), Changes: make(map[string]int64)}
	for k, name := range kindNames {
		a.Changes[name] = r.progress.changes[k].Load()
	}
	if r.injector != nil {
		a.Injected = r.injector.injected()
	}
	return a
}

// writer makes writer i and returns its run method. With a database every third writer
// writes SQL. Without a secret all of them do.
func (r *run) writer(i int) (func(context.Context), error) {
	random := r.cfg.random("writer", i)
	state := newAcknowledgedState(r.participants.writer(i))
	r.acknowledged = append(r.acknowledged, state)
	if r.pool != nil && (i%3 == 2 || !r.participants.private()) {
		w := &sqlWriter{
			participants: r.participants, writes: r.writes, pool: r.pool,
			random: random, pace: r.cfg.Pace, progress: r.progress, acknowledged: state, likePosts: r.likePosts, recent: &r.recent,
		}
		return w.run, nil
	}
	token, err := r.participants.token(state.user)
	if err != nil {
		return nil, err
	}
	w := &httpWriter{
		participants: r.participants, writes: r.writes, servers: asUser(r.servers, token), service: r.service,
		random: random, pace: r.cfg.Pace, progress: r.progress, acknowledged: state, likePosts: r.likePosts,
		recent: &r.recent, moderators: r.moderators,
	}
	return w.run, nil
}
