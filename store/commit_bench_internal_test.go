package store

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
)

// BenchmarkCommit is what one transaction of so many writes takes: ns/op from the begin
// to the commit's answer, postgres-µs/op of CPU in the one backend that makes it. The
// server keeps nothing safe, so no disk is in it.
func BenchmarkCommit(b *testing.B) {
	for _, kind := range []string{"comments", "likes"} {
		for _, n := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s=%d", kind, n), func(b *testing.B) { benchmarkCommit(b, kind, n) })
		}
	}
}

func benchmarkCommit(b *testing.B, kind string, n int) {
	s := openBench(b)
	ctx := b.Context()
	turn := 0
	commit := func() {
		writes := make([]*write, n)
		for i := range writes {
			w := newWrite(ctx, "42", User{ID: fmt.Sprintf("user-%d", i), Name: "Ann"})
			if kind == "comments" {
				w.comment = &NewComment{PostID: w.post, Author: w.user, Body: "Hello, everybody here!"}
			} else {
				w.unlike = turn%2 == 1
			}
			writes[i] = w
		}
		turn++
		if err := s.commit(ctx, writes, shortLockTimeout); err != nil {
			b.Fatal(err)
		}
	}
	measure(b, s.pool, commit)
}

// BenchmarkRead is what the hub's read of so many new events takes, at the end of a log
// of 10,000.
func BenchmarkRead(b *testing.B) {
	for _, n := range []int{0, 1, 8} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			s := openBench(b)
			if _, err := s.pool.Exec(b.Context(), `
				select tidings.publish('post:42', 'news', jsonb_build_object('n', n, 'text', repeat('x', 200)))
				from generate_series(1, 10000) as n`); err != nil {
				b.Fatal(err)
			}
			if _, err := s.pool.Exec(b.Context(), "analyze"); err != nil {
				b.Fatal(err)
			}
			measure(b, s.log, func() {
				batch, err := s.Read(b.Context(), stream.Query{After: int64(10_000 - n), Limit: 1000})
				if err != nil || len(batch.Events) != n {
					b.Fatalf("read %d events, want %d: %v", len(batch.Events), n, err)
				}
			})
		})
	}
}

func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(b.Context(), Config{URL: storetest.Database(b), AutoPosts: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}

// measure times what uses a pool one connection at a time.
func measure(b *testing.B, pool *pgxpool.Pool, act func()) {
	b.Helper()
	for range 20 { // plans are made, the users noted
		act()
	}
	var backend int
	if err := pool.QueryRow(b.Context(), "select pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
	before := cpuOf(b, backend)
	for b.Loop() {
		act()
	}
	b.ReportMetric(float64((cpuOf(b, backend)-before).Microseconds())/float64(b.N), "postgres-µs/op")
}

// cpuOf is how long a process has run so far, 0 where the system doesn't tell.
func cpuOf(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		return 0
	}
	ns, err := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return time.Duration(ns)
}
