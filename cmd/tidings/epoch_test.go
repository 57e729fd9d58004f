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
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A dataLoss is a way for a database to lose its last transactions. keep is called
// first, then fail, then back.
type dataLoss struct {
	before, after *site
	dsn           string // of the instances, before and after
	keep          func() // everything committed until now stays, all that follows is lost
	fail          func() // the database becomes unreachable
	back          func() // the database is reachable again, without what is lost
}

var dataLosses = map[string]func(*testing.T) dataLoss{"Promotion": promotion, "Restore": restore}

// promotion crashes a primary and promotes a replica that lags behind.
func promotion(t *testing.T) dataLoss {
	t.Helper()
	primary := durable(t)
	streamtest.Must(t, migrations.Up(t.Context(), primary.DSN("tidings"), discard))
	replica := storetest.NewReplica(t, primary)
	return dataLoss{
		before: siteAt(t, primary.DSN("tidings")),
		after:  siteAt(t, replica.DSN("tidings")),
		dsn:    replica.EitherDSN("tidings"),
		keep:   func() { replica.Cut(t) },
		fail:   func() { streamtest.Must(t, primary.Crash(t.Context())) },
		back:   func() { replica.Promote(t) },
	}
}

// restore drops a database and restores a dump under the same name.
func restore(t *testing.T) dataLoss {
	t.Helper()
	s, file := newSite(t), filepath.Join(t.TempDir(), "dump.sql")
	database := value[string](t, s, `select current_database()`)
	other := siteAt(t, storetest.Server().DSN("postgres"))
	return dataLoss{
		before: s,
		after:  siteAt(t, s.dsn),
		dsn:    s.dsn,
		keep:   func() { postgres(t, "pg_dump", "--dbname", s.dsn, "--file", file) },
		fail:   func() { other.exec(t, `drop database `+database+` with (force)`) },
		back: func() {
			other.exec(t, `create database `+database+` template template0`)
			postgres(t, "psql", "--dbname", s.dsn, "--file", file, "--single-transaction", "--set", "ON_ERROR_STOP=1", "--quiet", "--no-psqlrc")
		},
	}
}

// postgres runs a client program of Postgres.
func postgres(t *testing.T, program string, args ...string) {
	t.Helper()
	path, err := storetest.Program(program)
	streamtest.Must(t, err)
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// A reader that got an event that is lost gets a gap, also when the new events have
// passed its position. All other readers resume exactly.
func TestDataLoss_IsAnnouncedToReadersOfLostEvents(t *testing.T) {
	t.Parallel()
	for name, begin := range dataLosses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, topics := begin(t), []string{"post:a", "post:b"}
			one := b.before.start(t, at(b.dsn))
			two := b.before.start(t, at(b.dsn), smallRing)
			b.before.converse(t, "kept", 3)
			keptHead := b.before.head(t)
			first, kept := b.before.cursor(t, 0), b.before.cursor(t, keptHead)
			b.keep()

			live := tapsOn(t, kept, topics, one, two)
			b.before.converse(t, "lost", 3)
			b.before.end(t, "post:b")
			old := b.before.logged(t, topics...)
			for _, x := range live {
				x.wants(t, since(t, old, keptHead))
			}
			wait := inParallel(live, (*tap).untilGap)
			lostHead := b.before.head(t)

			b.fail()
			two.awaitStatus(t, "/readyz", 503)
			waiting := []*tap{ // opened while the log cannot be read
				returning(t, two.Client, kept, topics...),
				returning(t, two.Client, first, topics...),
			}
			writers := b.after.persist(t, 3, 8)
			b.back()
			streamtest.Must(t, writers.Wait())
			gaps, err := wait()
			streamtest.Must(t, err)
			b.after.converse(t, "new", 1)
			b.after.end(t, "post:b")
			log := b.after.logged(t, topics...)
			epochs, newHead := b.after.epochs(t), b.after.head(t)
			if newHead <= lostHead {
				t.Fatalf("the head is %d, not past the lost %d", newHead, lostHead)
			}

			t.Run("NumbersInANewEpoch", func(t *testing.T) {
				streamtest.Want(t, "epochs", len(epochs), 2)
				streamtest.Want(t, "the position before the new epoch", epochs[1].StartedAfter, keptHead)
				for _, e := range since(t, log, keptHead) {
					streamtest.Want(t, "the epoch of "+e.ID, cursorOf(t, e.ID).Epoch, epochs[1].Number)
				}
			})
			t.Run("AnnouncesAGapToLiveReaders", func(t *testing.T) {
				for i, g := range gaps {
					streamtest.Want(t, live[i].name+": reason", g.Reason, "restored")
					if from := cursorOf(t, g.From); from.Epoch != epochs[0].Number || from.Position <= keptHead {
						t.Errorf("%s: the gap begins at %s, which is not lost", live[i].name, g.From)
					}
					x := live[i]
					if x.stream == nil {
						x = poll(t, []*server{one, two}[i/2].Client, g.Resumed, topics...)
					}
					x.wants(t, since(t, log, cursorOf(t, g.Resumed).Position))
				}
			})
			servers := []*server{one, two, b.after.start(t, at(b.dsn))}
			t.Run("AnnouncesAGapToReadersThatComeLater", func(t *testing.T) {
				resumed := stream.Cursor{Epoch: epochs[len(epochs)-1].Number, Position: newHead}.String()
				for _, e := range since(t, old, keptHead) {
					for _, x := range tapsOn(t, e.ID, topics, servers...) {
						g, err := x.untilGap()
						streamtest.Must(t, err)
						streamtest.Want(t, x.name+": reason", g, gap{"restored", e.ID, resumed})
					}
				}
			})
			t.Run("ResumesAllOtherReadersExactly", func(t *testing.T) {
				for _, x := range waiting {
					x.wants(t, since(t, log, cursorOf(t, x.stream.Cursor()).Position))
				}
				for position := range keptHead + 1 {
					for _, x := range tapsOn(t, b.after.cursor(t, position), topics, servers...) {
						x.wants(t, since(t, log, position))
					}
				}
			})
		})
	}
}

// A new epoch before which nothing is lost does not disturb readers.
func TestNewEpoch_KeepsReaders(t *testing.T) {
	t.Parallel()
	s, topics := newSite(t), []string{"post:a", "post:b"}
	one, two := s.start(t), s.start(t, smallRing)
	taps := tapsOn(t, "now", topics, one, two)
	var begun []stream.Epoch
	for range 3 {
		writers := s.persist(t, 3, 10)
		head := s.head(t)
		number := value[int64](t, s, `select tidings.new_epoch()`)
		streamtest.Must(t, writers.Wait())
		begun = s.epochs(t)
		newest := begun[len(begun)-1]
		streamtest.Want(t, "the newest epoch", newest.Number, number)
		if newest.StartedAfter < head || newest.StartedAfter > s.head(t) {
			t.Errorf("the epoch starts after %d, the head was %d", newest.StartedAfter, head)
		}
	}
	streamtest.Want(t, "epochs", len(begun), 4)
	s.end(t, topics...)
	log := s.logged(t, topics...)
	for _, x := range taps {
		x.wants(t, log)
	}
	for i := range 5 {
		e := log[i*len(log)/5]
		for _, x := range tapsOn(t, e.ID, topics, one, two) {
			x.wants(t, since(t, log, cursorOf(t, e.ID).Position))
		}
	}
}

// persist starts writers that publish so many events each. They try again when the
// database cannot be reached.
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

// untilGap returns the next gap. An event before it is an error. While the server
// answers 503, untilGap asks again.
func (x *tap) untilGap() (g gap, err error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		event, err := x.take()
		var p *client.Problem
		switch {
		case errors.As(err, &p) && p.Code == "unavailable":
			<-tick.C
		case errors.As(err, &p) && p.Status == 410 && p.Code == "cursor_gone":
			return gap{p.Reason, p.From, p.Resumed}, nil
		case err != nil:
			return g, fmt.Errorf("%s: %w", x.name, err)
		case event.Name == "stream.gap":
			return g, json.Unmarshal(event.Data, &g)
		case event.ID != "" && !strings.HasPrefix(event.Name, "stream."):
			return g, fmt.Errorf("%s: got %s, want a gap", x.name, text(event))
		}
	}
}

// inParallel calls do for all taps concurrently. The function that it returns waits for
// the results.
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

// epochs returns the epochs of the log, oldest first.
func (s *site) epochs(t *testing.T) []stream.Epoch {
	t.Helper()
	rows, _ := s.sql.Query(t.Context(), `select epoch, started_after from tidings.epochs order by epoch`)
	epochs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[stream.Epoch])
	streamtest.Must(t, err)
	return epochs
}

// at sets the database of an instance.
func at(dsn string) func(*instance) { return func(i *instance) { i.DatabaseURL = dsn } }

// smallRing makes an instance read the log for each reader that resumes.
func smallRing(i *instance) { i.RingEvents = 1 }
