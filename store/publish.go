package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// A newEvent is one on its way into the log; tidings.publish checks it.
type newEvent struct{ topic, name, data string }

// Publish puts an event into a topic. It returns an *InvalidError for a topic, name
// or size that tidings.publish refuses, and ErrBusy.
func (s *Store) Publish(ctx context.Context, topic, name string, data []byte) error {
	w := newWrite(ctx, "", User{})
	w.event = &newEvent{topic, name, string(data)}
	return s.submit(ctx, w)
}

// queueEvents publishes events in the order in which they came.
func queueEvents(batch *pgx.Batch, writes []*write) {
	var topics, names, data []string
	for _, w := range writes {
		if e := w.event; e != nil {
			topics, names, data = append(topics, e.topic), append(names, e.name), append(data, e.data)
		}
	}
	if len(topics) == 0 {
		return
	}
	batch.Queue(`
		select tidings.publish(topic, name, data::jsonb)
		from unnest($1::text[], $2::text[], $3::text[]) with ordinality as asked (topic, name, data, n)
		order by n`, topics, names, data)
}
