package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// A Signal says that a user types a comment on a post, or has stopped. Every instance
// receives it. It is not stored, and may be lost.
type Signal struct {
	Topic stream.Topic // of the post
	User  awareness.Typist
	Stop  bool // the user has stopped
}

// A signalJSON is the payload of the notification.
type signalJSON struct {
	Topic string           `json:"topic"`
	User  awareness.Typist `json:"user"`
	Stop  bool             `json:"stop,omitempty"`
}

// Signal sends a signal to every instance that listens, including this one. It returns
// ErrUnavailable, and an *InvalidError for a signal of 8,000 bytes or more.
func (s *Store) Signal(ctx context.Context, signal Signal) error {
	payload, err := json.Marshal(signalJSON{signal.Topic.String(), signal.User, signal.Stop})
	if err != nil {
		return fmt.Errorf("encode signal: %w", err)
	}
	return notify(ctx, s.pool, signalChannel, string(payload))
}

// parseSignal checks a payload: any client of the database can send one.
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

// notify sends a notification that may be lost in a crash. The commit does not wait for the
// disk, because it holds a lock that all commits with a NOTIFY need.
func notify(ctx context.Context, pool *pgxpool.Pool, channel, payload string) error {
	_, err := pool.Exec(ctx, `
		select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`,
		channel, payload)
	return translate(err)
}
