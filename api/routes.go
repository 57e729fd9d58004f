package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/internal/metrics"
	"github.com/tidings-live/tidings/stream/faults"
)

const (
	eventsPath = "/v1/events"
	pollPath   = "/v1/poll"
	apiPrefix  = "/v1/" // of routes that verify tokens and are open to other origins
)

// A route is one method of one path, in Echo's notation. HEAD is answered wherever GET is.
type route struct {
	method  string
	path    string
	handler echo.HandlerFunc
}

// routes is the only list of what the server answers.
func (s *Server) routes(cfg Config) []route {
	queue := newNotifyQueue(cfg.Store.NotifyQueue, s.logger)
	health := &healthHandlers{
		store: cfg.Store, listener: cfg.Listener, hub: s.hub.Err, queue: queue, stopping: &s.stopping,
	}
	posts := &postHandlers{cfg.Store}
	typing := &typingHandlers{cfg.Store, cfg.Typing, s.limits, s.refuse,
		faults.New(s.logger, "the end of typing is not sent", "the end of typing is sent again")}
	presence := &presenceHandlers{cfg.Presence}
	charges := charges{s.limits, s.refuse}
	comments := &commentHandlers{cfg.Store, typing, charges,
		cmp.Or(cfg.EditWindow, defaultEditWindow), fmt.Sprint(cfg.HTMLVersion, cfg.Build)}
	rendered := newRenderedHandlers(comments, cfg)
	moderation := &moderationHandlers{cfg.Store}
	likes := &likeHandlers{cfg.Store, charges}
	counts := &countHandlers{cfg.Store}
	notifications := &notificationHandlers{cfg.Store}
	publish := &publishHandlers{cfg.Store}
	inspect := s.newInspectHandlers(cfg, queue, typing)
	tickets := &ticketHandlers{s.tickets, s.topics, charges}

	routes := []route{
		{"GET", "/healthz", health.live},
		{"GET", "/readyz", health.ready},
		{"GET", "/metrics", s.bounded(maxAnswerBytes, echo.WrapHandler(metrics.Handler(s.sources(cfg, queue, typing), s.requests)))},

		{"GET", "/v1/posts/:post", s.bounded(maxRowAnswer, posts.get)},
		{"PUT", "/v1/posts/:post", s.bounded(maxRowAnswer, posts.put)},
		{"GET", "/v1/posts/:post/comments", s.bounded(maxAnswerBytes, comments.list)},
		{"POST", "/v1/posts/:post/comments", comments.create},
		{"GET", renderedHTML, s.bounded(maxAnswerBytes, rendered.html)},
		{"GET", renderedAtom, s.bounded(maxAnswerBytes, rendered.atom)},
		{"GET", "/v1/comments/:id", s.bounded(maxRowAnswer, comments.get)},
		{"PATCH", "/v1/comments/:id", s.bounded(maxRowAnswer, comments.edit)},
		{"DELETE", "/v1/comments/:id", s.bounded(maxRowAnswer, comments.delete)},
		{"GET", "/v1/comments/:id/replies", s.bounded(maxAnswerBytes, comments.replies)},
		{"GET", "/v1/comments/:id/revisions", s.bounded(maxAnswerBytes, moderation.revisions)},
		{"PUT", "/v1/comments/:id/status", s.bounded(maxRowAnswer, moderation.setStatus)},
		{"PUT", "/v1/comments/:id/pin", s.bounded(maxRowAnswer, moderation.pin)},
		{"DELETE", "/v1/comments/:id/pin", s.bounded(maxRowAnswer, moderation.unpin)},
		{"PUT", "/v1/comments/:id/like", likes.putOfComment},
		{"DELETE", "/v1/comments/:id/like", likes.deleteOfComment},
		{"GET", "/v1/moderation", s.bounded(maxAnswerBytes, moderation.list)},
		{"PUT", "/v1/posts/:post/like", likes.put},
		{"DELETE", "/v1/posts/:post/like", likes.delete},
		{"POST", "/v1/posts/:post/typing", typing.create},
		{"GET", "/v1/posts/:post/presence", s.bounded(maxRowAnswer, presence.get)},
		{"GET", "/v1/counts", s.bounded(maxRowAnswer, counts.list)},
		{"GET", "/v1/notifications", s.bounded(maxAnswerBytes, notifications.list)},
		{"POST", "/v1/notifications/read", notifications.read},
		{"POST", "/v1/publish", publish.create},
		{"POST", "/v1/ticket", tickets.create},
		{"GET", "/v1/connection", connectionHandlers{}.get},
		{"GET", "/v1/inspect", s.bounded(maxRowAnswer, inspect.get)},
		{"GET", eventsPath, s.events},
		{"GET", pollPath, s.poll},
	}
	routes = append(routes, scriptRoutes()...)
	routes = append(routes, pageRoutes()...)
	if cfg.Demo != nil {
		routes = append(routes, demoRoutes(cfg.Demo)...)
	}
	return routes
}

// sources connects the metrics to the packages that count.
func (s *Server) sources(cfg Config, queue *notifyQueue, typing *typingHandlers) metrics.Sources {
	return metrics.Sources{
		Build: cfg.Build, Slots: s.limits.Taken, Hub: cfg.Hub.Stats, Group: cfg.Store.GroupStats,
		Pool: cfg.Store.PoolStats, Listener: cfg.Listener.Stats, Queue: queue.usage,
		Skipped: cfg.Store.SkippedEvents, Rows: cfg.Store.SkippedRows,
		Faults: func() map[string]int64 { return faultsOf(cfg, queue, typing) },
	}
}

// faultsOf returns the failures of background work, by the work.
func faultsOf(cfg Config, queue *notifyQueue, typing *typingHandlers) map[string]int64 {
	hub := cfg.Hub.Stats()
	return map[string]int64{
		"log": hub.LogFaults, "replay": hub.ReplayFaults, "listener": cfg.Listener.Stats().Failures,
		"retention": cfg.Store.RetentionFailures(), "notify_queue": queue.faults.Failures(),
		"typing": typing.faults.Failures(), "presence": cfg.Presence.Failures(), "certificate": cfg.Certificate.Failures(),
	}
}

// register adds the routes to Echo. It does three things that Echo does not do for us:
// it answers HEAD like GET (RFC 9110 section 9.3.2; net/http drops the body); it adds the
// middleware to each route, because a group with middleware answers 404 where 405 is
// right; and it keeps the patterns and methods, for metrics and CORS.
func (s *Server) register(routes []route) {
	for _, r := range routes {
		var middleware []echo.MiddlewareFunc
		methods := []string{r.method}
		if r.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		if strings.HasPrefix(r.path, apiPrefix) {
			credentials := s.authenticate
			if r.path == renderedHTML || r.path == renderedAtom {
				credentials = withoutCredentials
			}
			middleware = append(middleware, credentials)
			s.methods = append(s.methods, methods...)
		}
		s.echo.Match(methods, r.path, r.handler, middleware...)
		s.patterns[r.path] = true
	}
	slices.Sort(s.methods)
	s.methods = slices.Compact(s.methods)
}
