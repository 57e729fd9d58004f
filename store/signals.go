package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// A Signal says that a user began, or stopped, to type in a post. It goes to every
// instance, and is never stored.
type Signal struct {
	Topic stream.Topic
	User  awareness.Typist
	Stop  bool
}

type signalJSON struct {
	Topic string           `json:"topic"`
	User  awareness.Typist `json:"user"`
	Stop  bool             `json:"stop,omitempty"`
}

// Signal sends a signal to every instance that listens, this one included.
func (s *Store) Signal(ctx context.Context, signal Signal) error {
	payload, err := json.Marshal(signalJSON{signal.Topic.String(), signal.User, signal.Stop})
	if err != nil {
		return fmt.Errorf("encode signal: %w", err)
	}
	return notify(ctx, s.pool, signalChannel, string(payload))
}

func parseSignal(payload string) (Signal, error) {
	var raw signalJSON
	if err := json.Unmarshal([]byte(payload), &raw); err != nil {
		return Signal{}, err
	}
	topic, err := stream.ParseTopic(raw.Topic)
	if err != nil {
		return Signal{}, err
	}
	if err := stream.ValidID(raw.User.ID); err != nil {
		return Signal{}, err
	}
	return Signal{Topic: topic, User: raw.User, Stop: raw.Stop}, nil
}

// notify sends a notification that may be lost. It does not wait for the disk: each
// NOTIFY holds the lock that all commits with one queue for.
func notify(ctx context.Context, pool *pgxpool.Pool, channel, payload string) error {
	_, err := pool.Exec(ctx, `
		select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`,
		channel, payload)
	return translate(err)
}
