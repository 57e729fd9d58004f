package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/store/group"
	"github.com/tidings-live/tidings/stream"
)

// Publish appends an event to a topic. It returns an *InvalidError for a topic, name or
// data that tidings.publish refuses, and ErrBusy.
func (s *Store) Publish(ctx context.Context, topic, name string, data []byte) error {
	return s.submit(ctx, &publishWrite{topic, name, string(data)})
}

// A publishWrite is the [group.Write] of a published event. The SQL function tidings.publish
// checks its values.
type publishWrite struct{ topic, name, data string }

// Keys implements [group.Write]. Publishing an event locks no row.
func (w *publishWrite) Keys() []group.Key { return nil }

// Source implements [group.Write].
func (w *publishWrite) Source() string { return "topic:" + w.topic }

// Risky implements [group.Write].
func (w *publishWrite) Risky() bool {
	_, badTopic := stream.ParseTopic(w.topic)
	_, badName := stream.ParseName(w.name)
	return badTopic != nil || badName != nil || riskyJSON(w.data)
}

// queueEvents publishes events in the order in which they came.
func queueEvents(batch *pgx.Batch, writes []*publishWrite) {
	if len(writes) == 0 {
		return
	}
	var topics, names, data []string
	for _, w := range writes {
		topics, names, data = append(topics, w.topic), append(names, w.name), append(data, w.data)
	}
	batch.Queue(`
		select tidings.publish(topic, name, data::jsonb)
		from unnest($1::text[], $2::text[], $3::text[]) with ordinality as given (topic, name, data, n)
		order by n`, topics, names, data)
}
