package verify

import (
	"context"
	"syscall"
	"time"

	"github.com/tidings-live/tidings/store/storetest/tcpproxy"
)

// findLimit is how long a fault looks for something to break.
const findLimit = 5 * time.Second

// killInstance is a process that dies, and one that takes its place.
func (t *tormentor) killInstance(ctx context.Context) (bool, error) {
	i := t.pick()
	if err := i.end(syscall.SIGKILL); err != nil {
		return false, err
	}
	pause(ctx, t.moment())
	return true, i.start(t.whole)
}

// rollingRestart is what a deployment does: each instance in turn is asked to end,
// which it must, and another takes its place.
func (t *tormentor) rollingRestart(context.Context) (bool, error) {
	for _, i := range t.instances {
		if err := i.end(syscall.SIGTERM); err != nil {
			return false, err
		}
		if err := i.start(t.whole); err != nil {
			return false, err
		}
	}
	return true, nil
}

// crashPostgres ends Postgres as a power cut would. What was acknowledged must be
// there when it is back.
func (t *tormentor) crashPostgres(ctx context.Context) (bool, error) {
	if err := t.postgres.Crash(t.whole); err != nil {
		return false, err
	}
	pause(ctx, t.moment())
	if err := t.postgres.Restart(t.whole); err != nil {
		return false, err
	}
	return true, t.awaitAll()
}

// endListeners is an administrator, or a pooler, that ends the listen connections.
func (t *tormentor) endListeners(ctx context.Context) (bool, error) {
	return t.find(ctx, func() int {
		var ended int
		err := t.run.pool.QueryRow(ctx, `
			select count(pg_terminate_backend(pid))
			from pg_stat_activity
			where application_name = 'tidings listen'
				and datname = current_database()`,
		).Scan(&ended)
		if err != nil {
			return 0 // the pool's connections may be from before a crash
		}
		return ended
	}), nil
}

// deafenListener is a connection that a firewall has forgotten: it is open at both
// ends, and nothing comes through.
func (t *tormentor) deafenListener(ctx context.Context) (bool, error) {
	return t.find(ctx, t.pick().back.Blackhole), nil
}

// cutClients is a network that breaks all connections to an instance.
func (t *tormentor) cutClients(ctx context.Context) (bool, error) {
	return t.find(ctx, t.pick().front.Cut), nil
}

// stallClients is a network that holds everything back for a while.
func (t *tormentor) stallClients(ctx context.Context) (bool, error) {
	front := t.pick().front
	defer front.Hold(tcpproxy.ToServer | tcpproxy.ToClient).Release()
	pause(ctx, t.moment())
	return front.Open() > 0, nil
}

// slowClients is a network that can hardly carry what is to be read.
func (t *tormentor) slowClients(ctx context.Context) (bool, error) {
	front := t.pick().front
	front.Limit(2_000 + t.random.IntN(20_000))
	defer front.Limit(0)
	pause(ctx, t.moment())
	return front.Open() > 0, nil
}

// find tries until there was something to break.
func (t *tormentor) find(ctx context.Context, broke func() int) bool {
	ctx, cancel := context.WithTimeout(ctx, findLimit)
	defer cancel()
	for ctx.Err() == nil {
		if broke() > 0 {
			return true
		}
		pause(ctx, lookEvery)
	}
	return false
}

// holdTransaction is somebody else's transaction that has written, and then neither
// commits nor rolls back for long. Others must not wait for it. It goes on while the
// next faults happen.
func (t *tormentor) holdTransaction(ctx context.Context) (bool, error) {
	tx := &transaction{cast: t.run.cast, ledger: t.run.ledger, random: t.run.cfg.random("held", t.random.Int())}
	whole, cancel := context.WithTimeout(t.whole, time.Minute)
	err := tx.begin(whole, t.run.pool)
	for range 4 {
		if err == nil {
			err = tx.some(whole)
		}
	}
	if err != nil {
		defer cancel()
		t.run.live.problem(tx.end(whole, false, err))
		return false, nil
	}
	length, commit := 2*t.moment(), t.random.IntN(2) == 0
	t.held.Go(func() {
		defer cancel()
		pause(ctx, length)
		if err := tx.end(whole, commit, nil); err != nil {
			t.run.live.problem(err)
		}
	})
	return true, nil
}
