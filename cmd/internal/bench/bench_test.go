package bench

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestPercentile_IsTheNearestRank(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		samples int // 1, 2, 3 …
		p       float64
		want    time.Duration
	}{
		{1, 50, 1}, {1, 99, 1}, {2, 50, 1}, {3, 50, 2}, {4, 50, 2},
		{100, 50, 50}, {100, 99, 99}, {101, 99, 100}, {300, 99, 297}, {1000, 99.9, 999}, {10, 100, 10}, {10, 0, 1},
	} {
		sorted := make([]time.Duration, tt.samples)
		for i := range sorted {
			sorted[i] = time.Duration(i + 1)
		}
		if got := percentile(sorted, tt.p); got != tt.want {
			t.Errorf("%v %% of 1 to %d is %d, want %d", tt.p, tt.samples, got, tt.want)
		}
	}
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	samples := make([]time.Duration, 1000)
	for i, n := range rand.Perm(len(samples)) {
		samples[i] = time.Duration(n+1) * time.Millisecond
	}
	streamtest.Want(t, "the summary", summarize(samples),
		Summary{Count: 1000, Min: 1, Mean: 500.5, P50: 500, P90: 900, P95: 950, P99: 990, P999: 999, Max: 1000})
	streamtest.Want(t, "the summary of no samples", summarize(nil), Summary{})
}

func TestMark_IsFoundInAnEvent(t *testing.T) {
	t.Parallel()
	m := mark{42, 1234567890123 * time.Nanosecond}
	for _, data := range []string{
		string(dataOf(m)),
		`{"id":"7","body":"` + m.String() + `","html":"<p>` + mark{1, 1}.String() + `</p>"}`,
	} {
		got, ok := findMark([]byte(data))
		if !ok || got != m {
			t.Errorf("found %v, %v in %s", got, ok, data)
		}
	}
	if _, ok := findMark([]byte(`{"body":"Hello"}`)); ok {
		t.Error("found one where there is none")
	}
	if data := dataOf(m); len(data) != eventBytes || !json.Valid(data) {
		t.Errorf("%d bytes: %s", len(data), data)
	}
}

func TestPosition_IsOrdered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ later, earlier string }{{"1-2", "1-1"}, {"1-10", "1-9"}, {"2-1", "1-9"}, {"1700000001:0", "1700000000:7"}, {"1700000000:10", "1700000000:9"}} {
		later, earlier := parsePosition([]byte(tt.later)), parsePosition([]byte(tt.earlier))
		if !later.after(earlier) || earlier.after(later) || later.after(later) {
			t.Errorf("%s and %s are in the wrong order", tt.later, tt.earlier)
		}
	}
}

// feed gives a tally the events, at growing positions.
func feed(tally *tally, events ...int) {
	for i, n := range events {
		tally.take(mark{n, time.Duration(n)}, position{1, int64(i + 1)}, time.Duration(n+10))
	}
}

func TestTally_CountsFaults(t *testing.T) {
	t.Parallel()
	acked := []int{0, 1, 2, 3, 200}
	for _, tt := range []struct {
		name   string
		events []int
		want   Faults
	}{
		{"ReceivesAll", []int{0, 1, 2, 3, 200}, Faults{}},
		{"ReceivesInAnyOrderOfSending", []int{3, 200, 0, 2, 1}, Faults{}},
		{"ReceivesUnacknowledged", []int{0, 1, 2, 3, 4, 200}, Faults{}},
		{"LosesTwo", []int{0, 2, 3}, Faults{Lost: 2}},
		{"ReceivesTwice", []int{0, 1, 1, 2, 3, 200, 200, 200}, Faults{Duplicated: 3}},
		{"LosesOneAndReceivesOneTwice", []int{0, 0, 2, 3, 200}, Faults{Lost: 1, Duplicated: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tally tally
			feed(&tally, tt.events...)
			got := tally.finish(acked, 201)
			streamtest.Want(t, "faults", got.faults, tt.want)
			streamtest.Want(t, "received", got.received, int64(len(tt.events))-tt.want.Duplicated)
			for _, d := range got.latency {
				streamtest.Want(t, "latency", d, 10)
			}
		})
	}
}

func TestTally_CountsReorderedPositions(t *testing.T) {
	t.Parallel()
	var tally tally
	for n, at := range []int64{5, 4, 6, 6} {
		tally.take(mark{n: n}, position{1, at}, 0)
	}
	streamtest.Want(t, "faults", tally.finish([]int{0, 1, 2, 3}, 4).faults, Faults{Reordered: 2})
}

func TestTally_StartsAgainAfterFinish(t *testing.T) {
	t.Parallel()
	var tally tally
	feed(&tally, 0)
	tally.finish([]int{0, 1}, 2)
	tally.take(mark{n: 2}, position{1, 7}, 0)
	tally.take(mark{n: 1}, position{1, 6}, 0) // counted by the first finish
	streamtest.Want(t, "faults", tally.finish([]int{2, 3}, 4).faults, Faults{Lost: 1, Duplicated: 1})
}

func TestPool_AddsUpFaultsOfItsReaders(t *testing.T) {
	t.Parallel()
	pool := &readerPool{readers: []*reader{{}, {}}, patience: 50 * time.Millisecond}
	feed(&pool.readers[0].tally, 0, 1, 2)
	feed(&pool.readers[1].tally, 0, 2, 2)
	sent := sent{acked: [][]int{{0, 1, 2}}, failed: []int{0}, next: 3}
	streamtest.Must(t, pool.awaitEvents(t.Context(), sent))
	seen := pool.finish(sent)
	streamtest.Want(t, "received", seen.received, int64(5))
	streamtest.Want(t, "faults", seen.faults, Faults{Lost: 1, Duplicated: 1})

	for name, r := range map[string]*Report{
		"latency": {Latency: &Latency{Faults: seen.faults}},
		"writes":  {Writes: []Writes{{}, {Faults: seen.faults}}},
		"fan-out": {Fanout: &Fanout{FlatOut: Delivery{Faults: seen.faults}}},
	} {
		if err := r.Verdict(); !errors.Is(err, ErrFaults) {
			t.Errorf("the verdict on %s is %v", name, err)
		}
	}
	cut := &Report{Fanout: &Fanout{Paced: Delivery{Faults: Faults{Cuts: 3}}}}
	streamtest.Must(t, cut.Verdict()) // a reader that resumed has lost nothing
}

// listening returns a reader that has no connection.
func listening() *reader {
	return &reader{
		counted: "bench.message", now: func() time.Duration { return 3000 }, pool: &readerPool{}, connected: func(error) {},
	}
}

func TestReader_CountsEventsOfAStream(t *testing.T) {
	t.Parallel()
	text := ":" + strings.Repeat(" ", 9000) + "\n" +
		"retry: 1500\nevent: stream.ready\ndata: {\"cursor\":\"1-4\"}\nid: 1-4\n\n:\n" +
		"event: bench.message\ntopic: post:a\ndata: {\"text\":\"bench-mark 0 1000 " + strings.Repeat("x", 9000) + "\"}\nid: 1-5\n\n" +
		"event: presence\ntopic: post:a\ndata: {\"text\":\"bench-mark 1 1000 \"}\n\n:\n" +
		"event: bench.message\ntopic: post:a\ndata: {\"text\":\"bench-mark 1 1000 \"}\nid: 1-7\n\n" +
		"event: bench.message\ntopic: post:a\ndata: {\"text\":\"bench-mark 2 1000 \"}\nid: 1-8\n"
	for name, size := range map[string]int{"whole": len(text), "bytes": 1} {
		r := listening()
		streamtest.Must(t, inPieces(newEventFeeder(r), text, size))
		streamtest.Want(t, name+": times ready", r.pool.becameLive.Load(), 1)
		streamtest.Want(t, name+": cursor", string(r.cursor), "1-7")
		seen := r.tally.finish([]int{0, 1}, 2)
		streamtest.Want(t, name+": faults", seen.faults, Faults{})
		streamtest.Want(t, name+": latencies", seen.latency, []time.Duration{2000, 2000})
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, ok := parseStat([]byte("42 (a ) b) S 7 42 42 0 -1 4194560 900 0 0 0 150 50 3 4 20 0 9 0 12345 1 2\n"))
	streamtest.Want(t, "known", ok, true)
	streamtest.Want(t, "the time", got, processTime{parent: 7, own: 2 * time.Second, reaped: 70 * time.Millisecond})
	_, ok = parseStat([]byte("nonsense"))
	streamtest.Want(t, "nonsense known", ok, false)
}

func TestProcessStat_OfThisProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc")
	}
	if p, ok := processStat(os.Getpid()); !ok || p.parent != os.Getppid() {
		t.Errorf("got %+v, %v: the parent is %d", p, ok, os.Getppid())
	}
	if kb := residentOf(os.Getpid()); kb < 1000 {
		t.Errorf("a Go program in %v KB", kb)
	}
}

func TestLoad_NumbersItsEvents(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	target := &target{epoch: time.Now()}
	l := &load{workers: 4, posts: 2, now: target.now, more: times(100),
		send: func(_ context.Context, worker, n int) error {
			if n == 17 {
				return refused
			}
			return nil
		}}
	for round := range 2 {
		sent, err := l.run(t.Context())
		streamtest.Must(t, err)
		all := slices.Concat(sent.acked...)
		streamtest.Want(t, "next", sent.next, 100*(round+1))
		streamtest.Want(t, "answered and failed", len(all)+sent.failures(), 100)
		streamtest.Want(t, "of the posts", sent.perPost(0)+sent.perPost(1), int64(100))
		if slices.Contains(all, 17) || slices.Min(all) < 100*round {
			t.Errorf("acknowledged: %v", all)
		}
		l.more = paced(100, 100_000)
	}
	l.more, l.send = times(3), func(context.Context, int, int) error { return refused }
	if _, err := l.run(t.Context()); !errors.Is(err, refused) {
		t.Errorf("a load of which nothing succeeds ends with %v", err)
	}
}

func TestServerEnv(t *testing.T) {
	t.Parallel()
	got := serverEnv([]string{"PATH=/bin", "TIDINGS_JWT_SECRET=s", "TIDINGS_GROUP_COMMIT=off", "TIDINGS_MAX_STREAMS=7"}, 1000)
	streamtest.Want(t, "the environment", got, []string{
		"TIDINGS_RATE_LIMITS=off", "TIDINGS_MAX_STREAMS=1100", "TIDINGS_MAX_STREAMS_PER_ADDRESS=1100", "TIDINGS_MAX_STREAMS_PER_USER=1100",
		"PATH=/bin", "TIDINGS_GROUP_COMMIT=off", "TIDINGS_MAX_STREAMS=7",
	})
}

func TestNewDialer(t *testing.T) {
	t.Parallel()
	for address, wanted := range map[string]string{
		"http://a.example":           "a.example:80 a.example ",
		"http://127.0.0.1:8080/":     "127.0.0.1:8080 127.0.0.1:8080 ",
		"https://a.example/x%2Fy/":   "a.example:443 a.example /x%2Fy",
		"http://[::1]:8080/tidings/": "[::1]:8080 [::1]:8080 /tidings",
	} {
		w, err := newDialer(address)
		streamtest.Must(t, err)
		streamtest.Want(t, address, w.addr+" "+w.host+" "+w.base, wanted)
		streamtest.Want(t, address+" over TLS", w.tls != nil, strings.HasPrefix(address, "https"))
	}
}

// A load that lasts no time still sends one event, so that it has figures.
func TestForDuration_IsTrueOnce(t *testing.T) {
	t.Parallel()
	more := forDuration(0)
	streamtest.Want(t, "the first", more(t.Context()), true)
	streamtest.Want(t, "the second", more(t.Context()), false)
}
