package api

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/api/internal/takeover"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// Store is all that the handlers need of the database.
type Store interface {
	Comments
	Posts
	Likes
	Notifications
	Publisher
	auth.TicketStore
	Signaller
	Pinger
	Gauges
}

// Config sets a [Server]. Store, Hub, Typing, Prober and Verifier are required.
type Config struct {
	Store    Store
	Hub      *stream.Hub
	Typing   *awareness.Typing
	Prober   Prober
	Verifier *auth.Verifier

	AllowedOrigins []string      // exact, scheme://host[:port]
	PublicKinds    []string      // kinds of topics that anyone may read, besides post
	Heartbeat      time.Duration // of a quiet stream; default 15 s
	MaxAge         time.Duration // of a stream; it ends at 80–100 % of it; default 10 min
	Demo           *Demo         // nil: no demo page
	Limits         Limits
	Logger         *slog.Logger // default: discard
}

// A Server answers HTTP requests.
type Server struct {
	store       Store
	hub         *stream.Hub
	typing      *awareness.Typing
	prober      Prober
	auth        auth.Authenticator
	tickets     auth.Tickets
	publicKinds []string
	heartbeat   time.Duration
	maxAge      time.Duration
	limits      *limit.Limiter
	metrics     *metrics
	queue       *notifyQueue
	extractIP   echo.IPExtractor
	logger      *slog.Logger
	echo        *echo.Echo
	http        *http.Server
	returned    *takeover.Listener // to http
	warnOnce    sync.Once          // about connections that cannot be taken over
	stopping    atomic.Bool
}

// New makes a server. It refuses origins and kinds that cannot be meant.
func New(cfg Config) (*Server, error) {
	allowed, err := auth.ParseOrigins(cfg.AllowedOrigins)
	if err != nil {
		return nil, err
	}
	for _, kind := range cfg.PublicKinds {
		if _, err := stream.NewTopic(kind, "x"); err != nil || kind == kindUser || kind == kindSite {
			return nil, fmt.Errorf("public kind %q is not one", kind)
		}
	}
	s := &Server{
		store: cfg.Store, hub: cfg.Hub, typing: cfg.Typing, prober: cfg.Prober,
		auth: auth.Authenticator{Verifier: cfg.Verifier, Origins: allowed}, tickets: auth.Tickets{Store: cfg.Store},
		publicKinds: cfg.PublicKinds,
		heartbeat:   cfg.Heartbeat, maxAge: cfg.MaxAge,
		metrics: newMetrics(),
		logger:  cfg.Logger,
	}
	if s.limits, err = limit.New(cfg.Limits); err != nil {
		return nil, err
	}
	if s.extractIP, err = limit.NewIPExtractor(cfg.Limits.TrustedProxies); err != nil {
		return nil, err
	}
	if s.heartbeat <= 0 {
		s.heartbeat = 15 * time.Second
	}
	if s.maxAge <= 0 {
		s.maxAge = 10 * time.Minute
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.queue = &notifyQueue{gauges: cfg.Store}
	s.metrics.registry.MustRegister(deliveryMetrics{cfg.Hub}, &collector{cfg.Store, s.queue, cfg.Prober, s.limits.Taken})
	s.route(cfg.Demo)
	s.http = s.newHTTPServer()
	s.returned = takeover.NewListener(s.http)
	s.http.ConnState = s.returned.ConnState
	return s, nil
}

// ServeHTTP makes the server a [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// Drain turns readiness off. Closing the hub then ends the streams.
func (s *Server) Drain() { s.stopping.Store(true) }

func (s *Server) draining() error {
	if s.stopping.Load() {
		return errors.New("draining")
	}
	return nil
}

// route lays out the paths and what every request passes through. The order
// matters: an id first, so that every log line and problem has it; the origin before
// the router, so that its problems can be read across origins as well.
func (s *Server) route(demo *Demo) {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.handleError
	e.IPExtractor = s.extractIP
	e.Use(s.metrics.observe) // after the router, for its pattern
	e.Pre(
		middleware.RequestIDWithConfig(middleware.RequestIDConfig{Generator: rand.Text, RequestIDHandler: ownRequestID}),
		middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: s.recovered, DisableStackAll: true}),
		noSniff,
		s.guardOrigin,
	)

	get := func(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) {
		e.GET(path, h, m...)
		e.HEAD(path, h, m...)
	}
	get("/healthz", s.healthz)
	get("/readyz", s.readyz)
	get("/metrics", s.metrics.serve)
	if demo != nil {
		s.routeDemo(e, demo)
	}

	// Not a group with middleware: Echo's would answer 404 where 405 is right.
	who := s.authenticate
	get("/v1/posts/:post", s.getPost, who)
	e.PUT("/v1/posts/:post", s.putPost, who)
	get("/v1/posts/:post/comments", s.listComments, who)
	e.POST("/v1/posts/:post/comments", s.createComment, who)
	e.DELETE("/v1/comments/:id", s.deleteComment, who)
	e.PUT("/v1/posts/:post/like", s.likePost, who)
	e.DELETE("/v1/posts/:post/like", s.unlikePost, who)
	e.POST("/v1/posts/:post/typing", s.postTyping, who)
	get("/v1/counts", s.counts, who)
	get("/v1/notifications", s.listNotifications, who)
	e.POST("/v1/publish", s.publish, who)
	e.POST("/v1/ticket", s.createTicket, who)
	get(eventsPath, s.events, who)
	get(pollPath, s.poll, who)
	for _, route := range e.Routes() {
		s.metrics.routes[route.Path] = true
	}
	s.echo = e
}

// ownRequestID replaces an id that the client sent: it would be written to the logs.
func ownRequestID(c echo.Context, id string) {
	if c.Request().Header.Get(echo.HeaderXRequestID) == id {
		c.Response().Header().Set(echo.HeaderXRequestID, rand.Text())
	}
}

// errPanicked is what is left of a panic: it was logged, and clients learn no more.
var errPanicked = errors.New("handler panicked")

func (s *Server) recovered(c echo.Context, err error, stack []byte) error {
	s.logger.LogAttrs(c.Request().Context(), slog.LevelError, "handler panicked",
		slog.String("request_id", c.Response().Header().Get(echo.HeaderXRequestID)),
		slog.String("path", c.Request().URL.Path), slog.Any("err", err), slog.String("stack", string(stack)))
	return errPanicked
}

func noSniff(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
		return next(c)
	}
}
