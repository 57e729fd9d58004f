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
	var rows []row
	err := readFrom(ctx, s.log, stateQuery(&batch.State), eventsQuery(q, &rows))
	if err != nil {
		return stream.Batch{}, err
	}
	batch.Through = batch.State.Head
	if len(rows) == q.Limit {
		batch.Through = rows[q.Limit-1].position
	}
	for _, r := range rows {
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

type row struct {
	position    int64
	topic, name string
	data        []byte
	createdAt   time.Time
}

// eventsQuery reads the events after a position. The planner is not to see how near the
// end that is, so each parameter stands in a select of its own: with a plan for each read,
// to plan would take longer than to read.
func eventsQuery(q stream.Query, into *[]row) query {
	take := func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (e row, err error) {
			err = r.Scan(&e.position, &e.topic, &e.name, &e.data, &e.createdAt)
			return e, err
		})
		return err
	}
	if q.Topics == nil {
		return query{`
			select position, topic, name, data, created_at
			from tidings.events
			where position > (select $1::bigint)
			order by position
			limit (select $2::bigint)`,
			[]any{q.After, q.Limit}, take}
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
		[]any{topics, q.After, q.Limit}, take}
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
