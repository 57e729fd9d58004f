package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/api/internal/metrics"
	"github.com/tidings-live/tidings/api/internal/repeat"
	"github.com/tidings-live/tidings/api/internal/takeover"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// A Build describes the running program, for the metric tidings_build_info.
type Build = metrics.Build

// A Config sets a [Server].
type Config struct {
	// Required.
	Store    *store.Store
	Hub      *stream.Hub
	Listener *store.Listener
	Verifier *auth.Verifier

	Typing         *awareness.Typing   // nil: switched off
	Presence       *awareness.Presence // nil: switched off
	AllowedOrigins []string            // origins of pages that may call us, scheme://host[:port]; see [auth.OriginConfig]
	PublicURL      string              // the address that browsers see; see [auth.OriginConfig]
	LocalOnly      bool                // refuse requests for hosts other than localhost, 127.0.0.1 and [::1]
	PublicKinds    []string            // kinds of topics that all users may read, in addition to post
	Heartbeat      time.Duration       // time without an event after which a stream sends a heartbeat; default 15 s
	MaxAge         time.Duration       // of a stream, which ends at 80 to 100 % of it, at random; default 10 min
	EditWindow     time.Duration       // how long after its creation an author may edit a comment; default 15 min; see NoEdits and UnlimitedEdits
	HTMLVersion    string              // names the renderer of [store.Config].HTML, for ETags: another one may give other HTML
	Demo           *Demo               // nil: no demo page
	Certificate    *Certificate        // of the connections, for its metric; optional
	Limits         Limits
	Build          Build
	Logger         *slog.Logger // default: discard
}

// Values of [Config].EditWindow.
const (
	NoEdits        = -1 * time.Nanosecond // only moderators may edit
	UnlimitedEdits = time.Duration(math.MaxInt64)
)

const (
	defaultEditWindow = 15 * time.Minute
	defaultHeartbeat  = 15 * time.Second
	defaultMaxAge     = 10 * time.Minute
)

// A Server answers HTTP requests. Call [Server.Serve] to start it; to stop it, call
// [Server.Drain], end the streams with [stream.Hub.Drain] and call [Server.Shutdown].
type Server struct {
	hub       *stream.Hub
	auth      auth.Authenticator
	clock     auth.Clock
	tickets   auth.Tickets
	topics    topicRules
	heartbeat time.Duration
	maxAge    time.Duration
	presence  *awareness.Presence // nil: switched off
	limits    *limit.Limiter
	answers   *limit.ByteBudget
	conns     *limit.Conns
	requests  *metrics.Requests
	polls     *repeat.Table[*pollRequest] // requests that may be repeated
	date      dateField
	logger    *slog.Logger
	foreign   *foreignLog
	instance  string      // random, for the inspector
	stopping  atomic.Bool // Drain was called

	echo     *echo.Echo
	patterns map[string]bool // paths of the routes, in Echo's notation
	methods  []string        // of the routes that are open to other origins, sorted

	http     *http.Server
	returned *takeover.Listener // gives connections back to http
	warnOnce sync.Once          // about connections that cannot be taken over

	warnAddress sync.Once // about client addresses that cannot be read
}

// New makes a server. It returns an error if a required field of the configuration is
// missing, or if an origin, a kind, a limit or a proxy is invalid.
func New(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	limits, err := limit.New(cfg.Limits)
	if err != nil {
		return nil, err
	}
	if files, above := cfg.Limits.Above(); above && cfg.Logger != nil {
		cfg.Logger.Warn("the limit on streams is above the number of files that the process may open", "streams", cfg.Limits.Streams, "files", files)
	}
	proxies, err := limit.NewProxies(cfg.Limits.TrustedProxies)
	if err != nil {
		return nil, err
	}
	origins, err := auth.NewOrigins(auth.OriginConfig{
		Allowed: cfg.AllowedOrigins, PublicURL: cfg.PublicURL, Proxied: proxies.Proxied,
	})
	if err != nil {
		return nil, err
	}
	s := &Server{
		hub:       cfg.Hub,
		auth:      auth.Authenticator{Verifier: cfg.Verifier, Origins: origins},
		clock:     cfg.Verifier.Clock(),
		tickets:   auth.Tickets{Store: cfg.Store, Clock: cfg.Verifier.Clock()},
		topics:    topicRules{publicKinds: cfg.PublicKinds},
		heartbeat: orDefault(cfg.Heartbeat, defaultHeartbeat),
		maxAge:    orDefault(cfg.MaxAge, defaultMaxAge),
		presence:  cfg.Presence,
		limits:    limits,
		answers:   limit.NewByteBudget(),
		conns:     limit.NewConns(limits, limit.Trusted(cfg.Limits.TrustedProxies)),
		requests:  metrics.NewRequests(),
		polls:     repeat.NewTable[*pollRequest](),
		logger:    cfg.Logger,
		instance:  rand.Text()[:8],
		patterns:  make(map[string]bool),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.foreign = newForeignLog(s.logger)
	s.newEcho(func(r *http.Request) string { return s.clientAddress(proxies, r) }, cfg.LocalOnly)
	s.register(s.routes(cfg))
	s.http = s.newHTTPServer()
	s.returned = takeover.NewListener(s.http)
	s.http.ConnState = s.connState
	return s, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// check returns an error if a required field is missing or a kind is invalid.
func (c Config) check() error {
	for _, field := range []struct {
		name    string
		missing bool
	}{
		{"Store", c.Store == nil}, {"Hub", c.Hub == nil},
		{"Listener", c.Listener == nil}, {"Verifier", c.Verifier == nil},
	} {
		if field.missing {
			return fmt.Errorf("api: Config.%s is required", field.name)
		}
	}
	for _, kind := range c.PublicKinds {
		if _, err := stream.NewTopic(kind, "x"); err != nil || kind == kindUser || kind == kindSite {
			return fmt.Errorf("public kind %q is not a kind that can be public", kind)
		}
	}
	return nil
}

// ServeHTTP makes the server a [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if key := takeover.TakeNote(r.Context()); key != nil {
		r = r.WithContext(context.WithValue(r.Context(), pollKey{}, key))
	}
	s.echo.ServeHTTP(w, r)
}

// Drain turns readiness off and refuses new readers. Existing readers are not affected.
func (s *Server) Drain() { s.stopping.Store(true) }

// newEcho makes the router and the middleware of all requests. The order matters: the
// request id comes first, so that every log line and problem has it; the origin is
// checked before routing, so that other origins can read the router's problems (404,
// 405) too; observe runs after routing, because it needs the pattern of the path.
func (s *Server) newEcho(clientIP func(*http.Request) string, localOnly bool) {
	s.echo = echo.New()
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.HTTPErrorHandler = s.handleError
	s.echo.IPExtractor = clientIP
	s.echo.Pre(
		middleware.RequestIDWithConfig(middleware.RequestIDConfig{Generator: rand.Text, RequestIDHandler: ownRequestID}),
		middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: s.recovered, DisableStackAll: true}),
		s.pace,
		noSniff,
	)
	if localOnly {
		s.echo.Pre(onlyLocal)
	}
	s.echo.Pre(s.guardOrigin, s.countRequests)
	s.echo.Use(s.observe)
}

// ownRequestID replaces an id that the client sent, because ids are written to the logs.
func ownRequestID(c echo.Context, id string) {
	if c.Request().Header.Get(echo.HeaderXRequestID) == id {
		c.Response().Header().Set(echo.HeaderXRequestID, rand.Text())
	}
}

// errPanicked is the error of a handler that panicked. The panic itself is logged, and
// clients get the problem internal.
var errPanicked = errors.New("handler panicked")

func (s *Server) recovered(c echo.Context, err error, stack []byte) error {
	s.logger.LogAttrs(c.Request().Context(), slog.LevelError, "handler panicked",
		slog.String("request_id", c.Response().Header().Get(echo.HeaderXRequestID)),
		slog.String("path", c.Request().URL.Path), slog.Any("err", err), slog.String("stack", string(stack)))
	return errPanicked
}

// clientAddress returns the address of the client, see [limit.Proxies]. An address that a
// proxy tells in a form that cannot be read is counted, and the first one is logged.
func (s *Server) clientAddress(proxies limit.Proxies, r *http.Request) string {
	address, unreadable := proxies.Client(r)
	if unreadable != "" {
		s.requests.Unreadable()
		s.warnAddress.Do(func() {
			s.logger.LogAttrs(r.Context(), slog.LevelWarn, "X-Forwarded-For of a trusted proxy cannot be read: its clients share the limits of one address",
				slog.String("value", unreadable), slog.String("counted_as", address))
		})
	}
	return address
}

// addressKey is the key of a request's client address in the Echo context.
const addressKey = "address"

// addressOf returns the address that a request counts for. It is looked up once for each
// request, so that one that cannot be read is counted once.
func addressOf(c echo.Context) netip.Addr {
	if address, ok := c.Get(addressKey).(netip.Addr); ok {
		return address
	}
	address := limit.ClientAddress(c.RealIP())
	c.Set(addressKey, address)
	return address
}

// onlyLocal refuses requests for other hosts than this machine with forbidden_host. A
// page of another site can have its own name resolve to 127.0.0.1; its requests then
// carry that name as the host.
func onlyLocal(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		host := c.Request().Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		switch strings.ToLower(strings.Trim(host, "[]")) {
		case "localhost", "127.0.0.1", "::1":
			return next(c)
		}
		return problemHost.with("this development server answers only to localhost, 127.0.0.1 and [::1]")
	}
}

// noSniff stops browsers from guessing the type of an answer.
func noSniff(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
		return next(c)
	}
}
