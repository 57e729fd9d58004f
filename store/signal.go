package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// A Signal says that a user types a comment on a post, or has stopped. Every instance
// receives it. It is not stored, and may be lost.
type Signal struct {
	Topic stream.Topic // of the post
	User  awareness.User
	Stop  bool // the user has stopped
}

// A signalJSON is the body of the notification.
type signalJSON struct {
	Topic string         `json:"topic"`
	User  awareness.User `json:"user"`
	Stop  bool           `json:"stop,omitempty"`
}

const (
	// signalAge is the age at which a signal is ignored, by the clock of the database.
	signalAge = 10 * time.Second
	// signalBytes is the length of the longest payload that Postgres sends.
	signalBytes = 7999
	// signalNameRunes is the length of the longest name of a user.
	signalNameRunes = 200
)

// Signal sends a signal to every instance that listens, including this one. It returns
// ErrUnavailable, and an *InvalidError for a signal of 8,000 bytes or more.
//
// The SQL function tidings.signed makes the payload of the notification.
func (s *Store) Signal(ctx context.Context, signal Signal) error {
	body, err := json.Marshal(signalJSON{signal.Topic.String(), signal.User, signal.Stop})
	if err != nil {
		return fmt.Errorf("encode signal: %w", err)
	}
	return s.exec(ctx, s.pool, `
		select
			set_config('synchronous_commit', 'off', true), -- see notify
			pg_notify('tidings_signal', tidings.signed($1))`,
		string(body))
}

// SignalEvent sends an ephemeral event to the readers of a topic that are live, on all
// instances. The log does not keep it. It returns ErrUnavailable, ErrTooLarge, and an
// *InvalidError for a topic, name or data that tidings.signal refuses.
func (s *Store) SignalEvent(ctx context.Context, topic, name string, data []byte) error {
	return s.exec(ctx, s.pool, `
		select
			set_config('synchronous_commit', 'off', true), -- see notify
			tidings.signal($1, $2, $3::text::jsonb)`,
		topic, name, string(data))
}

// A signalGate decides which signals are genuine. It is for one goroutine.
type signalGate struct {
	key    []byte
	clock  time.Time // of the database, when the key was read
	readAt time.Time // by the clock of this process
	// The nonces of the genuine signals of the last 10 to 20 s: those since turned, and
	// those of signalAge before it.
	seen, before map[string]bool
	turned       time.Time
}

// Errors of signals.
var (
	errSignalForged   = errors.New("the MAC is wrong")
	errSignalOld      = errors.New("it is older than 10 s, or from the future")
	errSignalRepeated = errors.New("it was received before")
)

// admit returns the body of a payload, or an error if it is not genuine: not made with the
// key, too old, or received before.
func (g *signalGate) admit(payload string) (body string, err error) {
	sum, message, ok := strings.Cut(payload, " ")
	mac, err := hex.DecodeString(sum)
	if !ok || err != nil || len(payload) > signalBytes || len(g.key) == 0 || !hmac.Equal(mac, g.mac(message)) {
		return "", errSignalForged
	}
	parts := strings.SplitN(message, " ", 3)
	if len(parts) != 3 {
		return "", errors.New("it has no time, nonce and body")
	}
	var micros int64
	if _, err := fmt.Sscanf(parts[0], "%d", &micros); err != nil {
		return "", fmt.Errorf("its time: %w", err)
	}
	now := g.clock.Add(time.Since(g.readAt))
	if age := now.Sub(time.UnixMicro(micros)); age > signalAge || age < -signalAge {
		return "", errSignalOld
	}
	if time.Since(g.turned) > 2*signalAge {
		g.before, g.seen, g.turned = g.seen, make(map[string]bool), time.Now()
	}
	if nonce := parts[1]; g.seen[nonce] || g.before[nonce] {
		return "", errSignalRepeated
	}
	g.seen[parts[1]] = true
	return parts[2], nil
}

// mac is SHA-256 over the key and the SHA-256 of key and message: the functions that core
// Postgres has. The outer hash prevents that a MAC is extended to a longer message.
func (g *signalGate) mac(message string) []byte {
	inner := sha256.Sum256(slices.Concat(g.key, []byte(message)))
	outer := sha256.Sum256(slices.Concat(g.key, inner[:]))
	return outer[:]
}

// A signalEventJSON is the body of a signal that tidings.signal sends.
type signalEventJSON struct {
	Topic string          `json:"topic"`
	Name  string          `json:"name"` // the body of a typing signal has none
	Data  json.RawMessage `json:"data"`
}

// event checks the values and returns the ephemeral event.
func (e signalEventJSON) event() (stream.Event, error) {
	topic, badTopic := stream.ParseTopic(e.Topic)
	name, badName := stream.ParseName(e.Name)
	data, badData := stream.NewData(e.Data)
	if err := errors.Join(badTopic, badName, badData); err != nil {
		return stream.Event{}, err
	}
	return stream.Event{Topic: topic, Name: name, Data: data}, nil
}

// parseSignalEvent returns the ephemeral event of the body of a signal; ok is false if the
// body is that of a typing signal, which has no name.
func parseSignalEvent(body string) (e stream.Event, ok bool, err error) {
	var raw signalEventJSON
	if err := json.Unmarshal([]byte(body), &raw); err != nil || raw.Name == "" {
		return stream.Event{}, false, err
	}
	e, err = raw.event()
	return e, true, err
}

// parseSignal checks the body of a typing signal. Only a post has typing signals.
func parseSignal(body string) (Signal, error) {
	var raw signalJSON
	if err := json.Unmarshal([]byte(body), &raw); err != nil {
		return Signal{}, err
	}
	topic, err := stream.ParseTopic(raw.Topic)
	if err != nil {
		return Signal{}, err
	}
	if topic.Kind() != "post" {
		return Signal{}, fmt.Errorf("topic %s is no post", topic)
	}
	if err := stream.ValidID(raw.User.ID); err != nil {
		return Signal{}, err
	}
	if utf8.RuneCountInString(raw.User.Name) > signalNameRunes || strings.ContainsFunc(raw.User.Name, misleading) {
		return Signal{}, errors.New("the name of the user is too long, or has characters that a name must not have")
	}
	return Signal{Topic: topic, User: raw.User, Stop: raw.Stop}, nil
}

// misleading reports whether a character controls a terminal or turns the direction of the
// text after it.
func misleading(r rune) bool {
	return unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// deleteOldSignals deletes the signals that no instance delivers any more.
func (s *Store) deleteOldSignals(ctx context.Context) error {
	return s.exec(ctx, s.pool, `
		delete from tidings.signals
		where created_at < statement_timestamp() - 2 * $1::interval`, signalAge)
}
