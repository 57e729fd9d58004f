package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/client"
)

// burstLimit is how long a burst may take until all who read on have all of it.
const burstLimit = 2 * time.Minute

// flood writes events to the topics in turn, in one transaction, and enters them in
// the ledger.
func (t *tormentor) flood(ctx context.Context, topics []string, name string, count int) error {
	first := t.run.ledger.beginMany(count)
	err := t.floodFrom(ctx, topics, name, first, count)
	t.run.ledger.answeredMany(floodFate(err), first, count)
	return err
}

func (t *tormentor) floodFrom(ctx context.Context, topics []string, name string, first int64, count int) error {
	tx, err := t.run.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return errors.Join(errNotSent, err)
	}
	_, err = tx.Exec(ctx, `
		select tidings.publish(topic, $2, jsonb_build_object('n', n, 'to', topic))
		from generate_series($3::bigint, $4::bigint) as n
		cross join lateral (select ($1::text[])[1 + n % cardinality($1::text[])]) as turn (topic)`,
		topics, name, first, first+int64(count)-1)
	if err != nil {
		_ = tx.Rollback(ctx) // without COMMIT it cannot have happened
		return errors.Join(errNotSent, err)
	}
	return tx.Commit(ctx)
}

var errNotSent = errors.New("not sent")

func floodFate(err error) fate {
	if errors.Is(err, errNotSent) {
		return takenBack
	}
	return commitFate(err)
}

// burst is a great many events at once, of one topic, in one transaction or some.
// Streams that go on reading must get all of them: none may be cut off as slow.
func (t *tormentor) burst(context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(t.whole, burstLimit)
	defer cancel()
	topic := "post:" + t.run.cast.posts[t.random.IntN(len(t.run.cast.posts))]
	parts := []int{1, 7, 100}[t.random.IntN(3)]
	watchers, err := t.watch(ctx, topic)
	if err != nil {
		cancel()
		for _, w := range watchers {
			<-w.done
		}
		t.run.live.problem(fmt.Errorf("watch burst: %w", err))
		return false, nil
	}
	size := max(t.chaos.Burst/parts, 1)
	written := 0
	for range parts {
		if err = t.flood(ctx, []string{topic}, nameBurst, size); err != nil {
			break
		}
		written += size
	}
	if err == nil {
		err = t.flood(ctx, []string{topic}, nameLast, 1)
	}
	if err != nil {
		cancel()
		t.run.live.problem(fmt.Errorf("burst: %w", err))
	}
	for _, w := range watchers {
		<-w.done
		if err == nil && (w.err != nil || w.got < written) {
			t.run.tally.count(cut, 1, "%s: a stream that kept reading got %d of a burst of %d: %v", w.name, w.got, written, w.err)
		}
		if err == nil && w.got > written {
			t.run.tally.count(duplicated, int64(w.got-written), "%s: got %d of a burst of %d", w.name, w.got, written)
		}
		t.run.live.events.Add(int64(w.got))
	}
	return err == nil, nil
}

// A watcher reads one stream through a burst.
type watcher struct {
	name   string
	door   *client.Client
	topic  string
	cursor string

	done chan struct{} // closed when what follows is final
	got  int
	err  error
}

// watch opens two streams at each instance, past its proxy, and returns when all have
// begun, or with those that run when one could not.
func (t *tormentor) watch(ctx context.Context, topic string) ([]*watcher, error) {
	var all []*watcher
	var begun sync.WaitGroup
	errs := make(chan error, 2*len(t.instances))
	for _, i := range t.instances {
		for range 2 {
			door, err := client.New("http://" + i.where())
			if err != nil {
				return all, err
			}
			w := &watcher{name: i.name, door: door, topic: topic, done: make(chan struct{})}
			all = append(all, w)
			begun.Add(1)
			go w.run(ctx, sync.OnceFunc(begun.Done), errs)
		}
	}
	begun.Wait()
	select {
	case err := <-errs:
		return all, err
	default:
		return all, nil
	}
}

// run reads until the event after the burst. A stream that ended in its own time is
// opened again; any other end is an error.
func (w *watcher) run(ctx context.Context, begun func(), failed chan<- error) {
	defer close(w.done)
	defer w.door.CloseIdleConnections()
	for {
		last, err := w.stream(ctx, begun)
		if err == nil && last {
			return
		}
		if err != nil {
			w.err = err
			if w.cursor == "" {
				failed <- err
			}
			begun()
			return
		}
	}
}

func (w *watcher) stream(ctx context.Context, begun func()) (last bool, err error) {
	s, err := w.door.Stream(ctx, []string{w.topic}, w.cursor)
	if err != nil {
		return false, err
	}
	defer s.Close()
	aged := false
	for {
		e, err := s.Next()
		if err == io.EOF && aged {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		w.cursor = s.Cursor()
		begun()
		switch e.Name {
		case nameBurst:
			w.got++
		case nameLast:
			return true, nil
		case "stream.bye":
			var bye struct{ Reason string }
			if json.Unmarshal(e.Data, &bye) != nil || bye.Reason != "age" {
				return false, fmt.Errorf("bye: %s", e.Data)
			}
			aged = true
		}
	}
}
