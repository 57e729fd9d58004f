package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/group"
	"github.com/tidings-live/tidings/stream"
)

// A snapshot holds the figures of one scrape.
type snapshot struct {
	build    Build
	slots    int
	hub      stream.Stats
	group    group.Stats
	pool     store.PoolStats
	listener store.ListenerStats
	queue    float64 // how full Postgres's NOTIFY queue is, from 0 to 1
	queueErr error   // queue is unknown
	skipped  int64   // events
	rows     int64   // rows of lists
	faults   map[string]int64
}

// A row declares one metric.
type row struct {
	kind   prometheus.ValueType
	name   string // without "tidings_"
	help   string
	labels []string
	// read calls emit once for each time series, with the values of its labels. It
	// calls it never while the figure is unknown.
	read func(s *snapshot, emit emit)
}

// emit adds a time series to the answer of a scrape.
type emit func(value float64, labels ...string)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// number is anything that a metric counts.
type number interface{ ~int | ~int64 | ~float64 }

// one returns a read function for a single time series.
func one[N number](get func(s *snapshot) N) func(*snapshot, emit) {
	return func(s *snapshot, emit emit) { emit(float64(get(s))) }
}

// table declares the metrics whose figures other packages count.
var table = []row{
	{gauge, "build_info", "1, with the version of the running program.", []string{"version", "revision", "goversion"},
		func(s *snapshot, emit emit) { emit(1, s.build.Version, s.build.Revision, s.build.GoVersion) }},

	{counter, "log_events_total", "Events read from the log.", nil, one(func(s *snapshot) int64 { return s.hub.Events })},
	{counter, "log_breaks_total", "How often reading the log failed or a new epoch began.", nil, one(func(s *snapshot) int { return s.hub.Breaks })},
	{counter, "list_rows_skipped_total", "Comments and notifications that could not be read, and were left out of lists, and rows about readers of other instances. The log names each.", nil, one(func(s *snapshot) int64 { return s.rows })},
	{counter, "log_events_skipped_total", "Events that could not be read or delivered, and were skipped. The log names each.", nil, one(func(s *snapshot) int64 { return s.skipped })},
	{gauge, "log_readable", "1 if the last reads of the log succeeded, of new events and of past ones, else 0.", nil, one(func(s *snapshot) int { return boolean(s.hub.Readable) })},
	{gauge, "log_lag_seconds", "Time from the commit of the newest event to its read by this instance.", nil, one(func(s *snapshot) float64 { return s.hub.Lag.Seconds() })},
	{gauge, "log_head_position", "Position of the newest event read. An instance that stays behind the others is late.", nil, one(func(s *snapshot) int64 { return s.hub.Head.Position })},
	{gauge, "log_floor_position", "Last position that retention removed. A reader with an older cursor gets a gap.", nil, one(func(s *snapshot) int64 { return s.hub.Floor })},

	{counter, "stream_deliveries_total", "Events written to streams and in answers of polls, counted once for each reader.", nil, one(func(s *snapshot) int64 { return s.hub.Delivered })},
	{counter, "stream_writes_total", "Writes to streams. One write can hold many events.", nil, one(func(s *snapshot) int64 { return s.hub.Writes })},
	{counter, "stream_written_bytes_total", "Bytes of the writes to streams.", nil, one(func(s *snapshot) int64 { return s.hub.Bytes })},
	{gauge, "stream_unsent_bytes", "Bytes in output buffers, which the sockets of slow readers have not accepted yet.", nil, one(func(s *snapshot) int64 { return s.hub.Unsent })},
	{counter, "stream_conflated_total", "Counts that were left out for a reader in favor of a later one.", nil, one(func(s *snapshot) int64 { return s.hub.Conflated })},
	{counter, "streams_ended_total", "Ended streams, by reason: left, age, expired, shutdown, slow, stalled, unavailable.", []string{"reason"}, readEnded},

	{gauge, "readers", "Readers: open streams and waiting polls.", []string{"transport"}, readReaders},
	{gauge, "readers_behind", "Readers that are not at the end of the log and read on from memory or the log.", nil, one(func(s *snapshot) int64 { return s.hub.Behind })},
	{counter, "replay_hits_total", "Reads for readers that were behind, answered from memory.", nil, one(func(s *snapshot) int64 { return s.hub.RingReads })},
	{counter, "replay_misses_total", "Reads for readers that were behind, not answered from memory.", nil, one(func(s *snapshot) int64 { return s.hub.LogReads })},
	{counter, "replay_log_reads_total", "Reads of the log for readers that were behind. One read serves many readers.", nil, one(func(s *snapshot) int64 { return s.hub.Reads })},

	{gauge, "seats", "Connection slots in use, by streams and polls.", nil, one(func(s *snapshot) int { return s.slots })},

	{gauge, "group_commit_queue", "Writes that wait for a shared transaction.", nil, one(func(s *snapshot) int { return s.group.Waiting })},
	{counter, "group_commit_transactions_total", "Shared transactions.", nil, one(func(s *snapshot) int64 { return s.group.Transactions })},
	{counter, "group_commit_writes_total", "Writes in shared transactions.", nil, one(func(s *snapshot) int64 { return s.group.Writes })},
	{counter, "group_commit_apart_total", "Writes in a transaction of their own: they waited for a lock, or Postgres may refuse them.", nil, one(func(s *snapshot) int64 { return s.group.Solo })},

	{gauge, "pool_acquired_connections", "Database connections for requests that are in use.", nil, one(func(s *snapshot) int { return s.pool.Acquired })},
	{gauge, "pool_idle_connections", "Database connections for requests that are idle.", nil, one(func(s *snapshot) int { return s.pool.Idle })},
	{gauge, "pool_max_connections", "Largest number of database connections for requests.", nil, one(func(s *snapshot) int { return s.pool.Max })},
	{counter, "pool_waits_total", "How often a request waited for a database connection.", nil, one(func(s *snapshot) int64 { return s.pool.Waits })},
	{counter, "pool_wait_seconds_total", "Time that requests spent on getting a database connection.", nil, one(func(s *snapshot) float64 { return s.pool.WaitTime.Seconds() })},

	{counter, "background_failures_total", "Failures of background work.", []string{"work"}, readFaults},

	{gauge, "listener_connected", "1 while the LISTEN connection is up, else 0.", nil, one(func(s *snapshot) int { return boolean(s.listener.Connected) })},
	{counter, "listener_connects_total", "LISTEN connections made. Each after the first is a reconnect.", nil, one(func(s *snapshot) int64 { return s.listener.Connects })},
	{counter, "listener_deaf_total", "LISTEN connections that were up and received nothing.", nil, one(func(s *snapshot) int64 { return s.listener.Deaf })},
	{gauge, "listener_last_proof_timestamp_seconds", "When the listener last received a notification that it had sent to itself.", nil, readProof},
	{gauge, "listener_round_trip_seconds", "How long that notification of the listener to itself took.", nil, readRoundTrip},
	{gauge, "notify_queue_usage_ratio", "How full the NOTIFY queue of Postgres is, from 0 to 1. Absent while Postgres does not answer.", nil, readQueue},
}

func readFaults(s *snapshot, emit emit) {
	for work, n := range s.faults {
		emit(float64(n), work)
	}
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func readReaders(s *snapshot, emit emit) {
	for _, transport := range []stream.Transport{stream.SSE, stream.Poll} {
		emit(float64(s.hub.Readers[transport]), string(transport))
	}
}

func readEnded(s *snapshot, emit emit) {
	for _, end := range []stream.End{
		stream.EndLeft, stream.EndAge, stream.EndExpired, stream.EndShutdown, stream.EndSlow, stream.EndStalled, stream.EndUnavailable,
	} {
		emit(float64(s.hub.Ended[stream.Ended{Transport: stream.SSE, End: end}]), string(end))
	}
}

func readProof(s *snapshot, emit emit) {
	if !s.listener.LastProof.IsZero() {
		emit(float64(s.listener.LastProof.UnixMilli()) / 1000)
	}
}

func readRoundTrip(s *snapshot, emit emit) {
	if !s.listener.LastProof.IsZero() {
		emit(s.listener.RoundTrip.Seconds())
	}
}

func readQueue(s *snapshot, emit emit) {
	if s.queueErr == nil {
		emit(s.queue)
	}
}
