package store_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// read calls Read once.
func read(t *testing.T, d database, q stream.Query) stream.Batch {
	t.Helper()
	batch, err := d.Read(t.Context(), q)
	streamtest.Must(t, err)
	return batch
}

// texts returns the events as "position topic name".
func texts(events []stream.Event) (texts []string) {
	for _, e := range events {
		texts = append(texts, fmt.Sprint(e.Cursor.Position, " ", e.Topic, " ", e.Name))
	}
	return texts
}

// publish publishes one event to each topic, in each round.
func publish(t *testing.T, d database, rounds int, topics ...string) {
	t.Helper()
	for range rounds {
		for _, topic := range topics {
			streamtest.Must(t, d.Publish(t.Context(), topic, "news", []byte(`{}`)))
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	t.Run("IsEmptyAtFirst", func(t *testing.T) {
		d := db.cleared(t)
		streamtest.Want(t, "the batch", read(t, d, stream.Query{Limit: 10}),
			stream.Batch{State: stream.State{Epochs: []stream.Epoch{{Number: 1}}}})
	})

	t.Run("ReturnsItsLastPosition", func(t *testing.T) {
		d := db.cleared(t)
		publish(t, d, 3, "post:1", "post:2")
		one := parseTopics(t, "post:1") // at 1, 3, 5 of 6
		for _, test := range []struct {
			q       stream.Query
			events  int
			through int64
		}{
			{stream.Query{Limit: 4}, 4, 4},
			{stream.Query{Limit: 6}, 6, 6},
			{stream.Query{Limit: 7}, 6, 6},
			{stream.Query{After: 4, Limit: 4}, 2, 6},
			{stream.Query{After: 6, Limit: 4}, 0, 6},
			{stream.Query{After: 9, Limit: 4}, 0, 6},
			{stream.Query{Topics: one, Limit: 2}, 2, 3},
			{stream.Query{Topics: one, Limit: 3}, 3, 5},
			{stream.Query{Topics: one, Limit: 4}, 3, 6},
			{stream.Query{Topics: one, After: 5, Limit: 4}, 0, 6},
			{stream.Query{Topics: one, Limit: stream.Unlimited}, 3, 6},
		} {
			batch := read(t, d, test.q)
			streamtest.Want(t, fmt.Sprintf("%+v: events", test.q), len(batch.Events), test.events)
			streamtest.Want(t, fmt.Sprintf("%+v: through", test.q), batch.Through, test.through)
			streamtest.Want(t, fmt.Sprintf("%+v: head", test.q), batch.State.Head, 6)
		}
	})

	t.Run("MergesTopicsInOrder", func(t *testing.T) {
		d := db.cleared(t)
		d.exec(t, `
			select tidings.publish('post:' || (g * 7919 % 5), 'news', '{}')
			from generate_series(1, 200) as g`)
		all := d.events(t, 0)
		for _, topics := range [][]string{{"post:0"}, {"post:3", "post:1"}, {"post:4", "post:0", "post:2", "post:9"}} {
			var filtered []stream.Event
			for _, e := range all {
				if strings.Contains(strings.Join(topics, " "), e.Topic.String()) {
					filtered = append(filtered, e)
				}
			}
			for _, limit := range []int{1, 7, 1000} {
				var got []stream.Event
				q := stream.Query{Topics: parseTopics(t, topics...), Limit: limit}
				for q.After < int64(len(all)) {
					batch := read(t, d, q)
					got = append(got, batch.Events...)
					q.After = batch.Through
				}
				streamtest.Want(t, fmt.Sprint(topics), texts(got), texts(filtered))
			}
		}
	})

	t.Run("ReturnsTheEventsOfARepeatedTopicOnce", func(t *testing.T) {
		d := db.cleared(t)
		publish(t, d, 2, "user:ann")
		batch := read(t, d, stream.Query{Topics: parseTopics(t, "user:ann", "user:ann"), Limit: 10})
		streamtest.Want(t, "the events", texts(batch.Events), []string{"1 user:ann news", "2 user:ann news"})
	})

	t.Run("ReturnsTheStateOfItsSnapshot", func(t *testing.T) {
		d := db.cleared(t)
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for range 40 {
					if err := d.Publish(t.Context(), "post:1", "news", []byte(`{}`)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for head := int64(0); head < 160; {
			batch := read(t, d, stream.Query{Limit: 1000})
			head = batch.State.Head
			if int(head) != len(batch.Events) {
				t.Errorf("%d events, and the head is %d", len(batch.Events), head)
			}
		}
		writers.Wait()
	})

	t.Run("KnowsTheFloor", func(t *testing.T) {
		d := db.cleared(t)
		publish(t, d, 5, "post:1")
		d.exec(t, `delete from tidings.events where position <= 2`)
		batch := read(t, d, stream.Query{Limit: 10})
		streamtest.Want(t, "the events", len(batch.Events), 3)
		streamtest.Want(t, "the state", batch.State, stream.State{Head: 5, Floor: 2, Epochs: []stream.Epoch{{Number: 1}}})
		d.exec(t, `delete from tidings.events`)
		batch = read(t, d, stream.Query{Limit: 10})
		streamtest.Want(t, "through", batch.Through, 5)
		streamtest.Want(t, "the state", batch.State, stream.State{Head: 5, Floor: 5, Epochs: []stream.Epoch{{Number: 1}}})
	})

	t.Run("GivesEachEventTheEpochThatWroteIt", func(t *testing.T) {
		d := db.cleared(t)
		publish(t, d, 2, "post:1")
		second := value[int64](t, d, `select tidings.new_epoch()`)
		publish(t, d, 1, "post:1")
		third := value[int64](t, d, `select tidings.new_epoch()`)
		var got []stream.Cursor
		for _, e := range d.events(t, 0) {
			got = append(got, e.Cursor)
		}
		streamtest.Want(t, "the cursors", got, []stream.Cursor{{Epoch: 1, Position: 1}, {Epoch: 1, Position: 2}, {Epoch: second, Position: 3}})
		streamtest.Want(t, "the head", d.head(t), stream.Cursor{Epoch: second, Position: 3})
		state := read(t, d, stream.Query{Limit: 1}).State
		streamtest.Want(t, "the epochs", state.Epochs, []stream.Epoch{{Number: 1}, {Number: second, StartedAfter: 2}, {Number: third, StartedAfter: 3}})
		publish(t, d, 1, "post:1")
		streamtest.Want(t, "the head", d.head(t), stream.Cursor{Epoch: third, Position: 4})
	})

	t.Run("FailsWithoutAnEpoch", func(t *testing.T) {
		d := db.cleared(t)
		d.exec(t, `delete from tidings.epochs`)
		if _, err := d.Read(t.Context(), stream.Query{Limit: 1}); err == nil {
			t.Error("no error")
		}
		publish(t, d, 1, "post:1") // begins one
		streamtest.Want(t, "the events", len(d.events(t, 0)), 1)
	})

	t.Run("MakesDataOneCompactLine", func(t *testing.T) {
		d := db.cleared(t)
		streamtest.Must(t, d.Publish(t.Context(), "post:1", "news", []byte("{ \"b\": [1, 2],\n\"a\": \"x\u2028 y\" }")))
		streamtest.Want(t, "the data", d.events(t, 0)[0].Data.String(), `{"a":"x\u2028 y","b":[1,2]}`)
	})
}

func TestRead_SkipsAndReportsMalformedRows(t *testing.T) {
	t.Parallel()

	var report bytes.Buffer
	d := newDatabase(t, func(cfg *store.Config) { cfg.Logger = slog.New(slog.NewJSONHandler(&report, nil)) })
	publish(t, d, 1, "post:1")
	d.exec(t, `
		insert into tidings.events (position, topic, name, data)
		select nextval('tidings.positions'), topic, name, '{}'
		from (values
			('post', 'news'), ('post:', 'news'), ('Post:1', 'news'), ('post:..', 'news'), (E'post:a\nb', 'news'),
			('post:1', ''), ('post:1', 'New'), ('post:1', E'a\nid: 1-9'), ('post:1', repeat('x', 65))
		) as bad (topic, name)`)
	publish(t, d, 1, "post:1")

	batch := read(t, d, stream.Query{Limit: 4})
	streamtest.Want(t, "a page of good and bad", texts(batch.Events), []string{"1 post:1 news"})
	streamtest.Want(t, "through", batch.Through, 4)
	batch = read(t, d, stream.Query{After: 4, Limit: 4})
	streamtest.Want(t, "a page of bad ones", len(batch.Events), 0)
	streamtest.Want(t, "through", batch.Through, 8)
	streamtest.Want(t, "all pages", texts(d.events(t, 8, "post:1")), []string{"11 post:1 news"})
	for position := 2; position <= 10; position++ {
		if !strings.Contains(report.String(), fmt.Sprintf(`"position":%d,`, position)) {
			t.Errorf("position %d is not reported in\n%s", position, report.String())
		}
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()

	db := newDatabase(t)
	t.Run("RefusesInvalidEvents", func(t *testing.T) {
		d := db.cleared(t)
		for _, e := range []struct{ topic, name, data string }{
			{"post", "news", `{}`}, {"post:a b", "news", `{}`}, {"post:.", "news", `{}`}, {"post:1\n", "news", `{}`},
			{"post:1", "", `{}`}, {"post:1", "News", `{}`}, {"post:1", "new-comment", `{}`}, {"post:1", "stream.gap", `{}`},
			{"post:1\x00", "news", `{}`}, {"post:1", "news\xff", `{}`},
			{"post:1", "news", ``}, {"post:1", "news", `{`}, {"post:1", "news", `{"a":NaN}`}, {"post:1", "news", `"\u0000"`},
			{"post:1", "news", `"` + strings.Repeat("x", 59_000) + `"`}, {"post:1", "news", `"` + strings.Repeat("\u2028", 10_000) + `"`},
			{"post:1", "news", `1e999999`}, {"post:1", "news", strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000)},
		} {
			err := d.Publish(t.Context(), e.topic, e.name, []byte(e.data))
			wantInvalid(t, err, "")
		}
		streamtest.Want(t, "the events", len(d.events(t, 0)), 0)
	})

	t.Run("ExplainsItsRefusal", func(t *testing.T) {
		d := db.cleared(t)
		for _, test := range [][2]string{
			{"nowhere", "invalid topic 'nowhere'. A topic is <kind>:<id>, like post:42; an id is 1 to 255 (of a post: 512) characters of a URL, % or |"},
		} {
			wantMessage(t, d.Publish(t.Context(), test[0], "news", []byte(`{}`)), test[1])
		}
		wantMessage(t, d.Signal(t.Context(), store.Signal{User: awareness.User{Name: strings.Repeat("x", 8000)}}), "payload string too long")
	})

	t.Run("PublishesBeforeItReturns", func(t *testing.T) {
		d := db.cleared(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		streamtest.WantErr(t, d.Publish(ctx, "post:1", "news", []byte(`{}`)), context.Canceled)
		streamtest.Must(t, d.Publish(t.Context(), "post:1", "news", []byte(`{"n":2}`)))
		events := d.events(t, 0)
		streamtest.Want(t, "the events", texts(events), []string{"1 post:1 news"})
		streamtest.Want(t, "the data", events[0].Data.String(), `{"n":2}`)
	})
}

func wantMessage(t *testing.T, err error, message string) {
	t.Helper()
	if err == nil || err.Error() != message {
		t.Errorf("got %v, want %q", err, message)
	}
}

// TestRead_OfLargeEvents checks that a read is bounded in bytes, and that the next read
// continues at its end.
func TestRead_OfLargeEvents(t *testing.T) {
	t.Parallel()

	const large, most = 56 << 10, 4 << 20
	const n, fit = 150, most/large + 1 // the last event exceeds the bound
	d := newDatabase(t)
	d.exec(t, `
		select tidings.publish('room:1', 'news', jsonb_build_object('n', n, 'text', repeat('x', 56 * 1024)))
		from generate_series(1, 150) as n`)
	for _, topics := range [][]stream.Topic{nil, parseTopics(t, "room:1")} {
		after, seen := int64(0), 0
		for reads := 1; ; reads++ {
			batch, err := d.Read(t.Context(), stream.Query{After: after, Topics: topics, Limit: 1000})
			streamtest.Must(t, err)
			for _, e := range batch.Events {
				if seen++; !strings.HasPrefix(e.Data.String(), fmt.Sprintf(`{"n":%d,`, seen)) {
					t.Fatalf("event %d is %.20s", seen, e.Data.String())
				}
			}
			if batch.Through == batch.State.Head {
				streamtest.Want(t, "reads", reads, (n+fit-1)/fit)
				break
			}
			streamtest.Want(t, "events of a read", len(batch.Events), fit)
			after = batch.Through
		}
		streamtest.Want(t, "events", seen, n)
	}
}
