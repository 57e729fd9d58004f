package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/tidings-live/tidings/store"
)

// serverFlags are common to serve and dev.
type serverFlags struct {
	JWTPublicKey   string        `name:"jwt-public-key" env:"TIDINGS_JWT_PUBLIC_KEY" help:"PEM public key of your tokens: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)."`
	JWTIssuer      string        `name:"jwt-issuer" env:"TIDINGS_JWT_ISSUER" help:"Required iss of tokens. Default: any."`
	JWTAudience    string        `name:"jwt-audience" env:"TIDINGS_JWT_AUDIENCE" help:"Required aud of tokens. Default: any."`
	AllowedOrigins []string      `env:"TIDINGS_ALLOWED_ORIGINS" placeholder:"ORIGIN,…" help:"Origins (scheme://host[:port]) of the pages that may call from a browser. This server's own is always one."`
	PublicKinds    []string      `env:"TIDINGS_PUBLIC_KINDS" placeholder:"KIND,…" help:"Kinds of topics that anyone may read, besides post."`
	AutoPosts      bool          `env:"TIDINGS_AUTO_POSTS" default:"true" negatable:"" help:"Create unknown posts with their first comment or like."`
	GroupCommit    string        `env:"TIDINGS_GROUP_COMMIT" default:"on" enum:"on,off" help:"Commit comments and likes of the same moment together: ${enum}. Off is for measuring."`
	Retention      time.Duration `env:"TIDINGS_RETENTION" default:"72h" help:"How long events are kept, at least 15m. Readers who were away for longer are told of the gap."`
	RetentionRows  int64         `env:"TIDINGS_RETENTION_ROWS" default:"10000000" help:"How many events are kept at most, beyond those of the last 15m."`
	RingEvents     int           `env:"TIDINGS_RING_EVENTS" default:"10000" help:"Recent events kept in memory for readers that resume."`
	RingBytes      int           `env:"TIDINGS_RING_BYTES" default:"33554432" help:"Bytes of recent events kept in memory, whichever is less."`
	Heartbeat      time.Duration `env:"TIDINGS_HEARTBEAT" default:"15s" help:"Between the heartbeats of a quiet stream. Keep it below the idle timeout of your proxies."`
	MaxAge         time.Duration `env:"TIDINGS_MAX_AGE" default:"10m" help:"Of a stream. It ends at 80 to 100 % of it, and its reader resumes."`
	Drain          time.Duration `env:"TIDINGS_DRAIN" default:"10s" help:"For requests to end when the server stops."`

	TLSCert string `name:"tls-cert" env:"TIDINGS_TLS_CERT" placeholder:"FILE" help:"PEM certificate chain: serve HTTPS, with HTTP/2. Read again when it changes."`
	TLSKey  string `name:"tls-key" env:"TIDINGS_TLS_KEY" placeholder:"FILE" help:"PEM private key of the certificate."`

	limitFlags
	logFlags
}

// Validate is called by kong.
func (f serverFlags) Validate() error {
	if f.Retention < store.MinimumAge {
		return fmt.Errorf("--retention=%v: at least %v are kept", f.Retention, store.MinimumAge)
	}
	if (f.TLSCert == "") != (f.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	for flag, value := range map[string]int64{
		"retention-rows": f.RetentionRows, "ring-events": int64(f.RingEvents), "ring-bytes": int64(f.RingBytes),
		"heartbeat": int64(f.Heartbeat), "max-age": int64(f.MaxAge), "drain": int64(f.Drain),
	} {
		if value <= 0 {
			return fmt.Errorf("--%s: want more than nothing", flag)
		}
	}
	return f.limitFlags.Validate()
}

type logFlags struct {
	LogLevel  string `env:"TIDINGS_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged: ${enum}."`
	LogFormat string `env:"TIDINGS_LOG_FORMAT" default:"text" enum:"text,json" help:"Of the logs: ${enum}."`
}

func (f logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}

// databaseFlags say where the database is.
type databaseFlags struct {
	DatabaseURL string `name:"database-url" env:"DATABASE_URL" required:"" help:"Postgres 15 or newer, as postgres://… or key=value …"`
	ListenURL   string `name:"listen-url" env:"TIDINGS_LISTEN_URL" help:"The same database past any pooler, for LISTEN and migrations. Default: the database URL."`
}

// direct is the URL that reaches Postgres itself.
func (f databaseFlags) direct() string {
	if f.ListenURL != "" {
		return f.ListenURL
	}
	return f.DatabaseURL
}
