package api

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

const (
	// inspectEvery is how long an answer of the inspector is given to all that ask. So any
	// number of open pages costs as much as one.
	inspectEvery = 500 * time.Millisecond
	// instancesTimeout bounds the question to the database, which may be what is wrong.
	instancesTimeout = 500 * time.Millisecond
	inspectedReaders = 10
	inspectedEvents  = 20
)

// inspectHandlers tell operators what the server does now.
type inspectHandlers struct {
	server    *Server
	hub       *stream.Hub
	listener  *store.Listener
	instances func(ctx context.Context) ([]store.Instance, error)
	pool      func() store.PoolStats
	queue     *notifyQueue
	faults    func() map[string]int64
	build     Build
	open      bool // no role is needed: the server answers only to this machine

	mu   sync.Mutex // guards the fields below; held while an answer is made
	made time.Time
	last inspectionJSON
}

func (s *Server) newInspectHandlers(cfg Config, queue *notifyQueue, typing *typingHandlers) *inspectHandlers {
	return &inspectHandlers{
		server: s, hub: cfg.Hub, listener: cfg.Listener, instances: cfg.Store.Instances, pool: cfg.Store.PoolStats, queue: queue,
		faults: func() map[string]int64 { return faultsOf(cfg, queue, typing) }, build: cfg.Build, open: cfg.LocalOnly,
	}
}

// An inspectionJSON is the state of one server. Counts begin with its start: the rates of a
// second are the differences of two answers with the same instance.
type inspectionJSON struct {
	Instance  string            `json:"instance"` // random, the same for the life of the process
	Time      string            `json:"time"`
	Version   string            `json:"version"`
	Readers   readersJSON       `json:"readers"`
	Delivery  deliveryJSON      `json:"delivery"`
	Listener  listenerStateJSON `json:"listener"`
	Pool      poolJSON          `json:"pool"`
	Faults    map[string]int64  `json:"faults"` // failures of background work since the start
	Slowest   []slowReaderJSON  `json:"slowest"`
	Recent    []recentJSON      `json:"recent"`
	Instances []instanceJSON    `json:"instances"` // null if the database does not say
	Ended     map[string]int64  `json:"ended"`     // streams and polls that have ended, by reason
}

type readersJSON struct {
	SSE    int64 `json:"sse"`
	Poll   int64 `json:"poll"`
	Behind int64 `json:"behind"`
	Slots  int   `json:"slots"` // connection slots in use
}

type deliveryJSON struct {
	Head      string    `json:"head"`
	Floor     int64     `json:"floor"`
	Events    int64     `json:"events"`     // read from the log
	Delivered int64     `json:"deliveries"` // to readers
	Conflated int64     `json:"conflated"`
	Bytes     int64     `json:"bytes"`
	Unsent    int64     `json:"unsentBytes"`
	LagMS     float64   `json:"lagMs"` // from the last commit until the event was read
	Readable  bool      `json:"readable"`
	BoundsMS  []float64 `json:"latencyBoundsMs"` // upper bounds; the last bucket has none
	Latency   []int64   `json:"latency"`         // deliveries by the time since the commit
}

type listenerStateJSON struct {
	listenerJSON
	Connects int64 `json:"connects"`
	Deaf     int64 `json:"deaf"`
	Failures int64 `json:"failures"`
}

type poolJSON struct {
	Acquired int   `json:"acquired"`
	Idle     int   `json:"idle"`
	Max      int   `json:"max"`
	Waits    int64 `json:"waits"`
}

type slowReaderJSON struct {
	Transport stream.Transport `json:"transport"`
	Topics    []string         `json:"topics"`
	Waiting   int              `json:"waiting"`
	Lag       int64            `json:"lag"`
	Behind    bool             `json:"behind"`
}

type recentJSON struct {
	ID    string  `json:"id"`
	Event string  `json:"event"`
	Topic string  `json:"topic"`
	Time  *string `json:"time"`
	Bytes int     `json:"bytes"`
}

type instanceJSON struct {
	Address string  `json:"address"`
	Since   *string `json:"since"`
	Self    bool    `json:"self"`
}

// get answers GET /v1/inspect with the state of this server: its readers, deliveries and
// listener, the slowest readers and the newest events, without their data. Nothing is gathered
// unless it is asked for. It is for moderators, admins and services; a development server
// answers all. Problems: unauthenticated, forbidden.
func (h *inspectHandlers) get(c echo.Context) error {
	if !h.open {
		if _, err := moderator(c); err != nil {
			return err
		}
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-store")
	return sendJSON(c, http.StatusOK, h.inspect(c.Request().Context()))
}

// inspect returns an answer that is at most inspectEvery old.
func (h *inspectHandlers) inspect(ctx context.Context) inspectionJSON {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.made) >= inspectEvery {
		h.last, h.made = h.gather(ctx), time.Now()
	}
	return h.last
}

func (h *inspectHandlers) gather(ctx context.Context) inspectionJSON {
	hub, pool := h.hub.Stats(), h.pool()
	v := inspectionJSON{
		Instance: h.server.instance, Time: timestamp(time.Now()), Version: h.build.Version,
		Readers:  readersJSON{hub.Readers[stream.SSE], hub.Readers[stream.Poll], hub.Behind, h.server.limits.Taken()},
		Delivery: viewDelivery(hub),
		Pool:     poolJSON{pool.Acquired, pool.Idle, pool.Max, pool.Waits},
		Faults:   h.faults(), Slowest: []slowReaderJSON{}, Recent: []recentJSON{}, Ended: make(map[string]int64),
	}
	listener := h.listener.Stats()
	v.Listener = listenerStateJSON{viewListener(listener, h.queue), listener.Connects, listener.Deaf, listener.Failures}
	for ended, n := range hub.Ended {
		v.Ended[string(ended.End)] += n
	}
	for _, r := range h.hub.Slowest(inspectedReaders) {
		slow := slowReaderJSON{Transport: r.Transport, Waiting: r.Waiting, Lag: r.Lag, Behind: r.Behind}
		for _, topic := range r.Topics {
			slow.Topics = append(slow.Topics, topic.String())
		}
		v.Slowest = append(v.Slowest, slow)
	}
	for _, e := range h.hub.Recent(inspectedEvents) {
		v.Recent = append(v.Recent, recentJSON{e.Cursor.String(), e.Name.String(), e.Topic.String(), knownTime(e.Committed), e.Bytes})
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), instancesTimeout)
	defer cancel()
	instances, err := h.instances(ctx)
	if err != nil {
		return v
	}
	v.Instances = []instanceJSON{}
	for _, i := range instances {
		v.Instances = append(v.Instances, instanceJSON{cmp.Or(i.Address, "local"), knownTime(i.Since), i.PID == listener.PID})
	}
	return v
}

func viewDelivery(s stream.Stats) deliveryJSON {
	v := deliveryJSON{
		Head: s.Head.String(), Floor: s.Floor, Events: s.Events, Delivered: s.Delivered, Conflated: s.Conflated,
		Bytes: s.Bytes, Unsent: s.Unsent, LagMS: milliseconds(s.Lag), Readable: s.Readable, Latency: s.Latency.Counts[:],
	}
	for _, bound := range stream.LatencyBounds {
		v.BoundsMS = append(v.BoundsMS, milliseconds(bound))
	}
	return v
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// knownTime returns a timestamp, or nil for the zero time.
func knownTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return optionalTimestamp(&t)
}
