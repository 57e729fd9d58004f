package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/tidings-live/tidings/api"
	"github.com/tidings-live/tidings/store"
)

// serverFlags are the settings of a server that serve and dev share. kong reads each
// from a flag or, if there is none, from the environment.
type serverFlags struct {
	JWTPublicKey   string        `name:"jwt-public-key" env:"TIDINGS_JWT_PUBLIC_KEY" help:"Public key of your tokens, as PEM or as the path of a file with it: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA). Default: none."`
	JWTIssuer      string        `name:"jwt-issuer" env:"TIDINGS_JWT_ISSUER" help:"Required claim iss of tokens. Default: any."`
	JWTAudience    string        `name:"jwt-audience" env:"TIDINGS_JWT_AUDIENCE" help:"Required claim aud of tokens. Default: any."`
	Leeway         time.Duration `env:"TIDINGS_LEEWAY" default:"10s" help:"Difference between the clocks of your site and of this server that tokens may show: a token is good so long before its nbf and after its exp."`
	PublicURL      string        `name:"public-url" env:"TIDINGS_PUBLIC_URL" placeholder:"URL" help:"Address of this server as browsers see it, http(s)://host[:port]. With it, no other origin counts as the server's own. Set it if a proxy changes the header Host. Atom feeds have absolute links only with it. Default: the host of each request."`
	AllowedOrigins []string      `env:"TIDINGS_ALLOWED_ORIGINS" placeholder:"ORIGIN" help:"Origins (scheme://host[:port]) of the pages that may call the API from a browser. The server's own origin is always allowed. Default: no others."`
	PublicKinds    []string      `env:"TIDINGS_PUBLIC_KINDS" placeholder:"KIND" help:"Kinds of topics that anyone may read, in addition to post. Default: no others."`
	AutoPosts      bool          `env:"TIDINGS_AUTO_POSTS" default:"true" negatable:"" help:"Create a post that does not exist when it gets its first comment or like."`
	EditWindow     string        `env:"TIDINGS_EDIT_WINDOW" default:"15m" help:"Time in which authors may edit a comment after they have written it; off for no time, unlimited for no limit. Moderators may always edit."`
	MarkdownImages bool          `env:"TIDINGS_MARKDOWN_IMAGES" help:"Show the images that comments name. They come from other servers, which then know who reads. Default: a link to each image."`
	GroupCommit    string        `env:"TIDINGS_GROUP_COMMIT" default:"on" enum:"on,off" help:"Commit comments and likes that arrive at the same time in one transaction: ${enum}. Turn it off only to measure."`
	Typing         string        `env:"TIDINGS_TYPING" default:"on" enum:"on,off" help:"Tell the readers of a post which users are typing: ${enum}."`
	Presence       string        `env:"TIDINGS_PRESENCE" default:"on" enum:"on,off" help:"Count the readers of each post, and tell them to readers that ask for it: ${enum}."`
	Retention      time.Duration `env:"TIDINGS_RETENTION" default:"72h" help:"Time that events are kept, at least 15m. A reader that was away for longer gets a stream.gap event."`
	RetentionRows  int64         `env:"TIDINGS_RETENTION_ROWS" default:"10000000" help:"Number of events that are kept at most, in addition to those of the last 15m."`
	RingEvents     int           `env:"TIDINGS_RING_EVENTS" default:"10000" help:"Number of recent events that are kept in memory for readers that resume."`
	RingBytes      int           `env:"TIDINGS_RING_BYTES" default:"33554432" help:"Memory in bytes for the recent events that are kept. The smaller of the two limits applies."`
	Heartbeat      time.Duration `env:"TIDINGS_HEARTBEAT" default:"15s" help:"Time between the heartbeats of a quiet stream. Keep it below the idle timeout of your proxies."`
	MaxAge         time.Duration `env:"TIDINGS_MAX_AGE" default:"10m" help:"Longest duration of a stream. A stream ends after a random 80 to 100 % of it, and its reader resumes."`
	Drain          time.Duration `env:"TIDINGS_DRAIN" default:"10s" help:"Time that requests have to end when the server stops."`

	TLSCert string `name:"tls-cert" env:"TIDINGS_TLS_CERT" placeholder:"FILE" help:"File with the PEM certificate chain. With it, the server speaks HTTPS and HTTP/2. The file is read again when it changes. Default: HTTP without TLS."`
	TLSKey  string `name:"tls-key" env:"TIDINGS_TLS_KEY" placeholder:"FILE" help:"File with the PEM private key of the certificate. Default: none."`

	limitFlags
	logFlags
}

// off is the value of a switch that is off.
const off = "off"

// parseEditWindow reads the setting of [api.Config].EditWindow. Empty is its default.
func parseEditWindow(text string) (time.Duration, error) {
	switch text {
	case "":
		return 0, nil
	case off:
		return api.NoEdits, nil
	case "unlimited":
		return api.UnlimitedEdits, nil
	}
	window, err := time.ParseDuration(text)
	if err != nil || window <= 0 {
		return 0, fmt.Errorf("--edit-window=%s: a time like 15m, off or unlimited are possible", text)
	}
	return window, nil
}

// Validate is called by kong. An error makes the command line a wrong one.
func (f serverFlags) Validate() error {
	if f.Retention < store.MinimumAge {
		return fmt.Errorf("--retention=%v: the least is %v", f.Retention, store.MinimumAge)
	}
	if (f.TLSCert == "") != (f.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key must be set together")
	}
	if _, err := parseEditWindow(f.EditWindow); err != nil {
		return err
	}
	if f.Leeway < 0 {
		return fmt.Errorf("--leeway=%v: must not be negative", f.Leeway)
	}
	for flag, value := range map[string]int64{
		"retention-rows": f.RetentionRows, "ring-events": int64(f.RingEvents), "ring-bytes": int64(f.RingBytes),
		"heartbeat": int64(f.Heartbeat), "max-age": int64(f.MaxAge), "drain": int64(f.Drain),
	} {
		if value <= 0 {
			return fmt.Errorf("--%s: must be greater than 0", flag)
		}
	}
	return f.limitFlags.Validate()
}

// publicKey returns the PEM text of --jwt-public-key, which may be a path.
func (f serverFlags) publicKey() (string, error) {
	if f.JWTPublicKey == "" || strings.Contains(f.JWTPublicKey, "-----BEGIN") {
		return f.JWTPublicKey, nil
	}
	text, err := os.ReadFile(f.JWTPublicKey)
	if err != nil {
		return "", fmt.Errorf("TIDINGS_JWT_PUBLIC_KEY is neither PEM nor the path of a file that can be read: %w", err)
	}
	if !strings.Contains(string(text), "-----BEGIN") {
		return "", fmt.Errorf("the file of TIDINGS_JWT_PUBLIC_KEY, %s, has no PEM block", f.JWTPublicKey)
	}
	return string(text), nil
}

// retention returns the bounds of the log that the flags set.
func (f serverFlags) retention() store.Retention {
	return store.Retention{Age: f.Retention, Rows: f.RetentionRows}
}

// logFlags are the settings of the logs.
type logFlags struct {
	LogLevel  string `env:"TIDINGS_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Lowest level that is logged: ${enum}."`
	LogFormat string `env:"TIDINGS_LOG_FORMAT" default:"text" enum:"text,json" help:"Format of the logs: ${enum}."`
}

// logger returns a logger that writes to w.
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

// databaseFlags are the addresses of the database.
type databaseFlags struct {
	DatabaseURL string `name:"database-url" env:"DATABASE_URL" required:"" help:"Address of the database, as postgres://… or key=value …. Postgres 15 or newer."`
	ListenURL   string `name:"listen-url" env:"TIDINGS_LISTEN_URL" help:"Address of the same database without a pooler, for LISTEN and for migrations. Default: the database URL."`
}

// direct is the address that leads to Postgres without a pooler.
func (f databaseFlags) direct() string {
	if f.ListenURL != "" {
		return f.ListenURL
	}
	return f.DatabaseURL
}
