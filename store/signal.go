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

	"github.com/jackc/pgx/v5"

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

// A signalJSON is the body of the notification.
type signalJSON struct {
	Topic string           `json:"topic"`
	User  awareness.Typist `json:"user"`
	Stop  bool             `json:"stop,omitempty"`
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
// The payload is "<mac> <microseconds since 1970> <nonce> <JSON>". Any role may send a
// NOTIFY, so the MAC, which covers all after it, shows that the sender can read
// tidings.signal_key.
func (s *Store) Signal(ctx context.Context, signal Signal) error {
	body, err := json.Marshal(signalJSON{signal.Topic.String(), signal.User, signal.Stop})
	if err != nil {
		return fmt.Errorf("encode signal: %w", err)
	}
	return s.exec(ctx, s.pool, `
		select
			set_config('synchronous_commit', 'off', true), -- see notify
			pg_notify('tidings_signal',
				encode(sha256(key || sha256(key || convert_to(message, 'UTF8'))), 'hex') || ' ' || message)
		from tidings.signal_key
		cross join concat_ws(' ',
			(extract(epoch from clock_timestamp()) * 1000000)::bigint, gen_random_uuid(), $1::text) as message`,
		string(body))
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
	reported     time.Time // when a signal that is not genuine was logged
}

// Errors of signals.
var (
	errSignalForged   = errors.New("the MAC is wrong")
	errSignalOld      = errors.New("it is older than 10 s, or from the future")
	errSignalRepeated = errors.New("it was received before")
)

// load reads the key and the clock of the database.
func (g *signalGate) load(ctx context.Context, conn *pgx.Conn) error {
	err := conn.QueryRow(ctx, `
		select key, clock_timestamp()
		from tidings.signal_key
		where one`).Scan(&g.key, &g.clock)
	g.readAt = time.Now()
	if err != nil {
		return fmt.Errorf("read the key of signals: %w", err)
	}
	return nil
}

// admit returns the signal of a payload, or an error if it is not genuine: not made with the
// key, too old, or received before.
func (g *signalGate) admit(payload string) (Signal, error) {
	sum, message, ok := strings.Cut(payload, " ")
	mac, err := hex.DecodeString(sum)
	if !ok || err != nil || len(payload) > signalBytes || len(g.key) == 0 || !hmac.Equal(mac, g.mac(message)) {
		return Signal{}, errSignalForged
	}
	parts := strings.SplitN(message, " ", 3)
	if len(parts) != 3 {
		return Signal{}, errors.New("it has no time, nonce and body")
	}
	var micros int64
	if _, err := fmt.Sscanf(parts[0], "%d", &micros); err != nil {
		return Signal{}, fmt.Errorf("its time: %w", err)
	}
	now := g.clock.Add(time.Since(g.readAt))
	if age := now.Sub(time.UnixMicro(micros)); age > signalAge || age < -signalAge {
		return Signal{}, errSignalOld
	}
	if time.Since(g.turned) > 2*signalAge {
		g.before, g.seen, g.turned = g.seen, make(map[string]bool), time.Now()
	}
	if nonce := parts[1]; g.seen[nonce] || g.before[nonce] {
		return Signal{}, errSignalRepeated
	}
	g.seen[parts[1]] = true
	return parseSignal(parts[2])
}

// mac is SHA-256 over the key and the SHA-256 of key and message: the functions that core
// Postgres has. The outer hash prevents that a MAC is extended to a longer message.
func (g *signalGate) mac(message string) []byte {
	inner := sha256.Sum256(slices.Concat(g.key, []byte(message)))
	outer := sha256.Sum256(slices.Concat(g.key, inner[:]))
	return outer[:]
}

// parseSignal checks the body of a signal. Only a post has signals.
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
