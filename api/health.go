package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/store"
)

// pinger proves that the database answers, and shows its rows. *store.Store implements it.
type pinger interface {
	Ping(ctx context.Context) error
	CheckSchema(ctx context.Context) error
	CheckOwner(ctx context.Context) error
	CheckTriggers(ctx context.Context) error
	// WriteError is why the last writes failed; nil if they did not.
	WriteError() error
}

// prober proves that a NOTIFY comes back to this instance. *store.Listener implements it.
type prober interface {
	Probe(ctx context.Context) error
	Stats() store.ListenerStats
}

// probeTimeout bounds all checks of readyz together.
const probeTimeout = 2 * time.Second

// healthHandlers answer the questions of a load balancer.
type healthHandlers struct {
	store    pinger
	listener prober
	hub      func() error // why the log cannot be read; nil if it can
	queue    *notifyQueue
	stopping *atomic.Bool

	mu      sync.Mutex  // guards running
	running *readyCheck // nil if no check runs
}

// A readyCheck is a check whose outcome all requests get that arrive while it runs. So any
// number of requests for /readyz uses one connection to the database.
type readyCheck struct {
	done   chan struct{} // closed when the fields below are set
	failed string
	err    error
}

// live answers GET /healthz with 200: the process runs. Restart it if it does not answer.
func (h *healthHandlers) live(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// A readyJSON is the answer of ready.
type readyJSON struct {
	Status   string        `json:"status"`
	Listener *listenerJSON `json:"listener"`
	Writes   string        `json:"writes,omitempty"` // why the database takes no writes
}

// ready answers GET /readyz with 200 if this instance would deliver a comment that is
// committed now: the server is not stopping, the database answers, a NOTIFY comes back,
// the hub reads the log, and the database has space. Otherwise it answers the problem
// unavailable, whose detail names the first check that failed. It takes at most 2 s.
//
// A database that is read-only by its settings is no reason not to be ready: readers are
// served. The member writes then says so.
func (h *healthHandlers) ready(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	if failed, err := h.check(); err != nil {
		p := problemUnavailable.with(failed)
		p.Listener = h.describeListener()
		return fmt.Errorf("%w: %w", p, err)
	}
	answer := readyJSON{Status: "ready", Listener: h.describeListener()}
	if errors.Is(h.store.WriteError(), store.ErrReadOnly) {
		answer.Writes = readOnlyDetail
	}
	return c.JSON(http.StatusOK, answer)
}

// check returns the outcome of the check that runs, or runs one.
func (h *healthHandlers) check() (failed string, err error) {
	h.mu.Lock()
	run := h.running
	first := run == nil
	if first {
		run = &readyCheck{done: make(chan struct{})}
		h.running = run
	}
	h.mu.Unlock()
	if !first {
		<-run.done
		return run.failed, run.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	run.failed, run.err = h.runChecks(ctx)
	h.mu.Lock()
	h.running = nil
	h.mu.Unlock()
	close(run.done)
	return run.failed, run.err
}

// runChecks runs the checks in order until one fails. It returns the cause in the words of the
// problem unavailable, or else the description of the check.
func (h *healthHandlers) runChecks(ctx context.Context) (failed string, err error) {
	for _, check := range []struct {
		failed string
		run    func() error
	}{
		{"server is stopping", h.drained},
		{"database does not answer", func() error { return h.store.Ping(ctx) }},
		{"row security hides rows of the schema", func() error { return h.store.CheckSchema(ctx) }},
		{"the server's role does not own the schema", func() error { return h.store.CheckOwner(ctx) }},
		{"session_replication_role switches triggers off", func() error { return h.store.CheckTriggers(ctx) }},
		{"notifications are not received", func() error { return h.listener.Probe(ctx) }},
		{"log cannot be read", h.hub},
		{diskFullDetail, h.disk},
	} {
		if err := check.run(); err != nil {
			return cmp.Or(operatorDetail(err), check.failed), err
		}
	}
	return "", nil
}

// drained returns an error after [Server.Drain].
func (h *healthHandlers) drained() error {
	if h.stopping.Load() {
		return errors.New("the server is stopping")
	}
	return nil
}

// disk returns an error if the last writes failed because the disk is full.
func (h *healthHandlers) disk() error {
	if err := h.store.WriteError(); errors.Is(err, store.ErrDiskFull) {
		return err
	}
	return nil
}

// A listenerJSON describes the LISTEN connection, in both answers of ready.
type listenerJSON struct {
	Connected bool       `json:"connected"`
	LastProof *time.Time `json:"lastProof,omitempty"`   // when a NOTIFY last came back
	LagMS     float64    `json:"lagMs"`                 // how long it took, in ms
	Queue     *float64   `json:"notifyQueue,omitempty"` // how full Postgres's NOTIFY queue is, from 0 to 1
}

func (h *healthHandlers) describeListener() *listenerJSON {
	described := viewListener(h.listener.Stats(), h.queue)
	return &described
}

func viewListener(stats store.ListenerStats, queue *notifyQueue) listenerJSON {
	v := listenerJSON{Connected: stats.Connected, LagMS: milliseconds(stats.RoundTrip)}
	if !stats.LastProof.IsZero() {
		v.LastProof = &stats.LastProof
	}
	if full, err := queue.usage(); err == nil {
		v.Queue = &full
	}
	return v
}
