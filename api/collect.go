package api

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/group"
)

// Gauges are what the metrics and readyz tell of the database.
type Gauges interface {
	PoolStats() store.PoolStats
	GroupStats() group.Stats
	NotifyQueue(ctx context.Context) (float64, error)
}

const (
	// queueEvery is how often Postgres is asked for its NOTIFY queue at most, and
	// queueTimeout how long a scrape waits for the answer.
	queueEvery   = 5 * time.Second
	queueTimeout = 500 * time.Millisecond
)

// A notifyQueue remembers how full Postgres's queue was.
type notifyQueue struct {
	gauges Gauges

	mu    sync.Mutex // guards what follows, and lets one ask at a time
	asked time.Time
	full  float64
	err   error
}

// usage is a few seconds old at most. It waits for Postgres no longer than
// queueTimeout.
func (q *notifyQueue) usage() (float64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.asked) < queueEvery {
		return q.full, q.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
	defer cancel()
	q.full, q.err = q.gauges.NotifyQueue(ctx)
	q.asked = time.Now()
	return q.full, q.err
}

// A collector reads what others count, when it is asked.
type collector struct {
	gauges Gauges
	queue  *notifyQueue
	prober Prober
	seats  func() int
}

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("tidings_"+name, help, nil, nil)
}

var (
	descSeats        = describe("seats", "Readers that hold a place within the limits: streams and polls.")
	descGroup        = describe("group_commit_queue", "Writes that wait for a transaction to share.")
	descGroupCommits = describe("group_commit_transactions_total", "Transactions that writes have shared.")
	descGroupWrites  = describe("group_commit_writes_total", "Writes in these.")
	descGroupApart   = describe("group_commit_apart_total", "Writes made apart from the others: they waited for a lock, or might be refused.")
	descPoolAcquired = describe("pool_acquired_connections", "Database connections in use.")
	descPoolIdle     = describe("pool_idle_connections", "Database connections at rest.")
	descPoolMax      = describe("pool_max_connections", "Database connections that there may be.")
	descPoolWaits    = describe("pool_waits_total", "Times that a connection had to be waited for.")
	descPoolWaited   = describe("pool_wait_seconds_total", "Time spent on getting connections.")
	descConnected    = describe("listener_connected", "1 while the LISTEN connection is up.")
	descProof        = describe("listener_last_proof_timestamp_seconds", "When a notification to itself last came back.")
	descRoundTrip    = describe("listener_round_trip_seconds", "How long that one took.")
	descConnects     = describe("listener_connects_total", "LISTEN connections made: each after the first is a reconnect.")
	descDeaf         = describe("listener_deaf_total", "LISTEN connections that were up and heard nothing.")
	descQueue        = describe("notify_queue_usage_ratio", "How full the NOTIFY queue of Postgres is. Absent while it does not answer.")
)

// Describe implements [prometheus.Collector]: what there is differs each time.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	count := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	gauge(descSeats, float64(c.seats()))
	if c.gauges != nil {
		commits := c.gauges.GroupStats()
		gauge(descGroup, float64(commits.Waiting))
		count(descGroupCommits, float64(commits.Transactions))
		count(descGroupWrites, float64(commits.Writes))
		count(descGroupApart, float64(commits.Solo))
		pool := c.gauges.PoolStats()
		gauge(descPoolAcquired, float64(pool.Acquired))
		gauge(descPoolIdle, float64(pool.Idle))
		gauge(descPoolMax, float64(pool.Max))
		count(descPoolWaits, float64(pool.Waits))
		count(descPoolWaited, pool.WaitTime.Seconds())
		if full, err := c.queue.usage(); err == nil {
			gauge(descQueue, full)
		}
	}
	if c.prober == nil {
		return
	}
	stats := c.prober.Stats()
	gauge(descConnected, boolean(stats.Connected))
	count(descConnects, float64(stats.Connects))
	count(descDeaf, float64(stats.Deaf))
	if !stats.LastProof.IsZero() {
		gauge(descProof, float64(stats.LastProof.UnixMilli())/1000)
		gauge(descRoundTrip, stats.RoundTrip.Seconds())
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// A listenerJSON is what readyz tells besides its verdict.
type listenerJSON struct {
	Connected bool       `json:"connected"`
	LastProof *time.Time `json:"lastProof,omitempty"`
	LagMS     float64    `json:"lagMs"` // of the last proof's round trip
	Queue     *float64   `json:"notifyQueue,omitempty"`
}

func (s *Server) listenerState() *listenerJSON {
	return newListenerJSON(s.prober.Stats(), s.queue)
}

func newListenerJSON(stats store.ListenerStats, queue *notifyQueue) *listenerJSON {
	state := &listenerJSON{Connected: stats.Connected, LagMS: float64(stats.RoundTrip.Microseconds()) / 1000}
	if !stats.LastProof.IsZero() {
		state.LastProof = &stats.LastProof
	}
	if full, err := queue.usage(); err == nil {
		state.Queue = &full
	}
	return state
}
