package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
)

// A breach is a way for a database to lose the end of its history, and to go on.
type breach struct {
	before, after *site
	dsn           string // of instances, all along
	keep          func() // what was committed by now will be there afterwards
	fail          func() // now the database is gone
	back          func() // and now it is back, as it was
}

var breaches = map[string]func(*testing.T) breach{"Promotion": promotion, "Restore": restore}

// promotion is a primary that dies, and a replica that was behind.
func promotion(t *testing.T) breach {
	t.Helper()
	primary := durable(t)
	must(t, migrations.Up(t.Context(), primary.DSN("tidings"), quiet))
	replica := storetest.NewReplica(t, primary)
	return breach{
		before: siteAt(t, primary.DSN("tidings")),
		after:  siteAt(t, replica.DSN("tidings")),
		dsn:    replica.EitherDSN("tidings"),
		keep:   func() { replica.Cut(t) },
		fail:   func() { must(t, primary.Crash(t.Context())) },
		back:   func() { replica.Promote(t) },
	}
}

// restore is a dump that is put back under the same name, where instances are waiting.
func restore(t *testing.T) breach {
	t.Helper()
	s, file := newSite(t), filepath.Join(t.TempDir(), "dump.sql")
	database := value[string](t, s, `select current_database()`)
	elsewhere := siteAt(t, storetest.Server().DSN("postgres"))
	return breach{
		before: s,
		after:  siteAt(t, s.dsn),
		dsn:    s.dsn,
		keep:   func() { postgres(t, "pg_dump", "--dbname", s.dsn, "--file", file) },
		fail:   func() { elsewhere.exec(t, `drop database `+database+` with (force)`) },
		back: func() {
			elsewhere.exec(t, `create database `+database+` template template0`)
			postgres(t, "psql", "--dbname", s.dsn, "--file", file, "--single-transaction", "--set", "ON_ERROR_STOP=1", "--quiet", "--no-psqlrc")
		},
	}
}

// postgres runs a program of Postgres's.
func postgres(t *testing.T, program string, args ...string) {
	t.Helper()
	path, err := storetest.Program(program)
	must(t, err)
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// Who has seen what is lost is told so, also when the new history has long passed
// that position. All others resume exactly.
func TestLostHistory(t *testing.T) {
	t.Parallel()
	for name, begin := range breaches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, topics := begin(t), []string{"post:a", "post:b"}
			one := b.before.start(t, at(b.dsn))
			two := b.before.start(t, at(b.dsn), forgetful)
			b.before.converse(t, "kept", 3)
			keptHead := b.before.head(t)
			b.keep()

			live := tapsOn(t, fmt.Sprintf("1-%d", keptHead), topics, one, two)
			b.before.converse(t, "lost", 3)
			b.before.end(t, "post:b")
			old := b.before.history(t, topics...)
			for _, x := range live {
				x.wants(t, since(t, old, keptHead))
			}
			told := inParallel(live, (*tap).untilGap)
			lostHead := b.before.head(t)

			b.fail()
			two.awaitStatus(t, "/readyz", 503)
			patientOnes := []*tap{ // they wait for the log, wherever it will be
				sse(t, two.Client, fmt.Sprintf("1-%d", keptHead), topics...),
				sse(t, two.Client, "1-0", topics...),
			}
			writers := b.after.persist(t, 3, 20)
			b.back()
			must(t, writers.Wait())
			gaps, err := told()
			must(t, err)
			b.after.converse(t, "anew", 1)
			b.after.end(t, "post:b")
			log := b.after.history(t, topics...)
			epochs, newHead := b.after.epochs(t), b.after.head(t)
			if newHead <= lostHead {
				t.Fatalf("the head is %d, not past the lost %d", newHead, lostHead)
			}

			t.Run("NumbersInANewEpoch", func(t *testing.T) {
				want(t, "epochs", len(epochs), 2)
				want(t, "the new one's beginning", epochs[1].StartedAfter, keptHead)
				for _, e := range since(t, log, keptHead) {
					want(t, "the epoch of "+e.ID, cursorOf(t, e.ID).Epoch, epochs[1].Number)
				}
			})
			t.Run("TellsLiveReadersAndGoesOn", func(t *testing.T) {
				for i, g := range gaps {
					want(t, live[i].name+": reason", g.Reason, "restored")
					if from := cursorOf(t, g.From); from.Epoch != 1 || from.Position <= keptHead {
						t.Errorf("%s: a gap from %s, which was kept", live[i].name, g.From)
					}
					x := live[i]
					if x.stream == nil {
						x = poll(t, []*server{one, two}[i/2].Client, g.Resumed, topics...)
					}
					x.wants(t, since(t, log, cursorOf(t, g.Resumed).Position))
				}
			})
			servers := []*server{one, two, b.after.start(t, at(b.dsn))}
			t.Run("TellsThoseWhoComeLater", func(t *testing.T) {
				resumed := stream.Cursor{Epoch: epochs[len(epochs)-1].Number, Position: newHead}.String()
				for _, e := range since(t, old, keptHead) {
					for _, x := range tapsOn(t, e.ID, topics, servers...) {
						g, err := x.untilGap()
						must(t, err)
						want(t, x.name+": reason", g, gap{"restored", e.ID, resumed})
					}
				}
			})
			t.Run("ResumesAllOthersExactly", func(t *testing.T) {
				for _, x := range patientOnes {
					x.wants(t, since(t, log, cursorOf(t, x.stream.Cursor()).Position))
				}
				for position := range keptHead + 1 {
					for _, x := range tapsOn(t, fmt.Sprintf("1-%d", position), topics, servers...) {
						x.wants(t, since(t, log, position))
					}
				}
			})
		})
	}
}

// A new epoch that nothing was lost before is nothing to those who read.
func TestNewEpochBetweenEvents(t *testing.T) {
	t.Parallel()
	s, topics := newSite(t), []string{"post:a", "post:b"}
	one, two := s.start(t), s.start(t, forgetful)
	taps := tapsOn(t, "now", topics, one, two)
	var begun []stream.Epoch
	for range 3 {
		writers := s.persist(t, 3, 10)
		head := s.head(t)
		number := value[int64](t, s, `select tidings.new_epoch()`)
		must(t, writers.Wait())
		begun = s.epochs(t)
		newest := begun[len(begun)-1]
		want(t, "the newest epoch", newest.Number, number)
		if newest.StartedAfter < head || newest.StartedAfter > s.head(t) {
			t.Errorf("it started after %d, the head was %d", newest.StartedAfter, head)
		}
	}
	want(t, "epochs", len(begun), 4)
	s.end(t, topics...)
	log := s.history(t, topics...)
	for _, x := range taps {
		x.wants(t, log)
	}
	for i := range 10 {
		e := log[i*len(log)/10]
		for _, x := range tapsOn(t, e.ID, topics, one, two) {
			x.wants(t, since(t, log, cursorOf(t, e.ID).Position))
		}
	}
}

// persist begins writers that publish so many events each, as soon as they can.
func (s *site) persist(t *testing.T, writers, events int) *errgroup.Group {
	t.Helper()
	ctx := patient(t)
	var group errgroup.Group
	for n := range writers {
		group.Go(func() (err error) {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for written := 0; written < events; {
				if err = s.say(ctx, []string{"post:a", "post:b"}[n%2]); err == nil {
					written++
				}
				select {
				case <-ctx.Done():
					return fmt.Errorf("%d of %d written: %w", written, events, err)
				case <-tick.C:
				}
			}
			return nil
		})
	}
	return &group
}

// untilGap takes what comes up to a gap, which must be all, and waits for a server
// that cannot tell at the moment.
func (x *tap) untilGap() (g gap, err error) {
	for {
		event, err := x.take()
		var p *client.Problem
		switch {
		case errors.As(err, &p) && p.Code == "unavailable":
			<-time.After(25 * time.Millisecond)
		case errors.As(err, &p) && p.Status == 410 && p.Code == "cursor_gone":
			return gap{p.Reason, p.From, p.Resumed}, nil
		case err != nil:
			return g, fmt.Errorf("%s: %w", x.name, err)
		case event.Name == "stream.gap":
			return g, json.Unmarshal(event.Data, &g)
		case event.ID != "" && !strings.HasPrefix(event.Name, "stream."):
			return g, fmt.Errorf("%s: %s where a gap should be", x.name, text(event))
		}
	}
}

// inParallel does something with each tap at once. What it returns waits for it.
func inParallel[T any](taps []*tap, do func(*tap) (T, error)) func() ([]T, error) {
	results := make([]T, len(taps))
	var group errgroup.Group
	for i, x := range taps {
		group.Go(func() (err error) {
			results[i], err = do(x)
			return err
		})
	}
	return func() ([]T, error) { return results, group.Wait() }
}

// epochs are those of the log, oldest first.
func (s *site) epochs(t *testing.T) []stream.Epoch {
	t.Helper()
	rows, _ := s.sql.Query(t.Context(), `select epoch, started_after from tidings.epochs order by epoch`)
	epochs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[stream.Epoch])
	must(t, err)
	return epochs
}

// at gives the instance a database.
func at(dsn string) func(*instance) { return func(i *instance) { i.DatabaseURL = dsn } }

// forgetful makes the instance read the log for whoever resumes.
func forgetful(i *instance) { i.RingEvents = 1 }
