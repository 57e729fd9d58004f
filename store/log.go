package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream"
)

var _ stream.Log = (*Store)(nil)

// Read returns events of the log and its state, from one snapshot: see [stream.Log].
// A row that is no event (written by hand, past the checks) is reported and left
// out; the log goes on behind it.
func (s *Store) Read(ctx context.Context, q stream.Query) (stream.Batch, error) {
	var batch stream.Batch
	var read page
	err := readFrom(ctx, s.log, stateQuery(&batch.State), eventsQuery(q, &read))
	if err != nil {
		return stream.Batch{}, err
	}
	batch.Through = batch.State.Head
	if last := len(read.rows) - 1; last+1 == q.Limit || read.full {
		batch.Through = read.rows[last].position
	}
	for _, r := range read.rows {
		event, err := r.event(batch.State)
		if err != nil {
			s.logger.ErrorContext(ctx, "malformed event skipped", "position", r.position, "err", err)
			continue
		}
		batch.Events = append(batch.Events, event)
	}
	return batch, nil
}

// stateQuery reads what the log knows of itself. Positions become visible in order,
// so the head of a snapshot is exactly where that snapshot ends.
func stateQuery(into *stream.State) query {
	return query{`
		select
			greatest((select position from tidings.events order by position desc limit 1), floor.position),
			floor.position,
			array(select epoch from tidings.epochs order by epoch),
			array(select started_after from tidings.epochs order by epoch)
		from tidings.floor
		where one`,
		nil,
		func(rows pgx.Rows) error {
			var numbers, startedAfter []int64
			_, err := pgx.ForEachRow(rows, []any{&into.Head, &into.Floor, &numbers, &startedAfter}, func() error {
				for i, number := range numbers {
					into.Epochs = append(into.Epochs, stream.Epoch{Number: number, StartedAfter: startedAfter[i]})
				}
				return nil
			})
			if err == nil && into.Epochs == nil {
				err = errors.New("the log has no epoch: its tables were restored without their rows")
			}
			return err
		}}
}

// pageBytes is how much data a page holds, or the event that exceeds it: what a read takes
// in memory is several times that, and some go on at once.
const pageBytes = 4 << 20

// A page is what was read of the log.
type page struct {
	rows  []row
	bytes int
	full  bool // and there was more
}

// take keeps the rows that there is room for, and lets the others pass by.
func (p *page) take(rows pgx.Rows) error {
	var r row
	for rows.Next() {
		if p.full = p.bytes >= pageBytes; p.full {
			continue
		}
		r.data = nil // not to be written over
		if err := rows.Scan(&r.position, &r.topic, &r.name, &r.data, &r.createdAt); err != nil {
			return err
		}
		p.rows = append(p.rows, r)
		p.bytes += len(r.data)
	}
	return rows.Err()
}

type row struct {
	position    int64
	topic, name string
	data        []byte
	createdAt   time.Time
}

// eventsQuery reads the events after a position. The planner is not to see how near the
// end that is, so each parameter stands in a select of its own: with a plan for each read,
// to plan would take longer than to read.
func eventsQuery(q stream.Query, into *page) query {
	if q.Topics == nil {
		return query{`
			select position, topic, name, data, created_at
			from tidings.events
			where position > (select $1::bigint)
			order by position
			limit (select $2::bigint)`,
			[]any{q.After, q.Limit}, into.take}
	}
	topics := make([]string, len(q.Topics))
	for i, t := range q.Topics {
		topics[i] = t.String()
	}
	// One short walk of the index a topic, then merged: a topic = any(…) would sort
	// everything the topics ever had. Distinct, because a join would tell a topic that
	// is asked twice twice.
	return query{`
		select e.position, e.topic, e.name, e.data, e.created_at
		from (select distinct unnest($1::text[])) as asked (topic)
		cross join lateral (
			select position, topic, name, data, created_at
			from tidings.events
			where events.topic = asked.topic and position > (select $2::bigint)
			order by position
			limit (select $3::bigint)
		) as e
		order by e.position
		limit (select $3::bigint)`,
		[]any{topics, q.After, q.Limit}, into.take}
}

func (r row) event(state stream.State) (stream.Event, error) {
	topic, err := stream.ParseTopic(r.topic)
	if err != nil {
		return stream.Event{}, err
	}
	name, err := stream.ParseName(r.name)
	if err != nil {
		return stream.Event{}, err
	}
	data, err := stream.NewData(r.data)
	if err != nil {
		return stream.Event{}, err
	}
	return stream.Event{Cursor: state.Cursor(r.position), Topic: topic, Name: name, Data: data, Committed: r.createdAt}, nil
}
