package store

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidings-live/tidings/store/group"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream"
)

// BenchmarkCommit measures one transaction of 1, 8 and 32 writes: ns/op is the time from
// BEGIN to the answer to COMMIT, postgres-µs/op the CPU time of the backend. The server
// runs without fsync, so the disk has no part in it.
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
	round := 0
	commit := func() {
		writes := make([]group.Write, n)
		for i := range writes {
			by := User{ID: fmt.Sprintf("user-%d", i), Name: "Ann"}
			if kind == "comments" {
				writes[i] = &commentWrite{NewComment: NewComment{PostID: "42", Author: by, Body: "Hello, everybody here!"}}
			} else {
				writes[i] = &likeWrite{post: "42", user: by, unlike: round%2 == 1}
			}
		}
		round++
		if err := s.committer.Commit(ctx, writes, time.Second); err != nil {
			b.Fatal(err)
		}
	}
	measure(b, s.pool, commit)
}

// BenchmarkRead measures the hub's read of 0, 1 and 8 new events at the end of a log of
// 10,000 events.
func BenchmarkRead(b *testing.B) {
	s, head := openBench(b), storetest.Rows(10_000)
	if _, err := s.pool.Exec(b.Context(), `
		select tidings.publish('post:42', 'news', jsonb_build_object('n', n, 'text', repeat('x', 200)))
		from generate_series(1, $1::int) as n`, head); err != nil {
		b.Fatal(err)
	}
	if _, err := s.pool.Exec(b.Context(), "analyze"); err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{0, 1, 8} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			measure(b, s.log, func() {
				batch, err := s.Read(b.Context(), stream.Query{After: int64(head - n), Limit: 1000})
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

// measure times a function that uses one connection of the pool at a time.
func measure(b *testing.B, pool *pgxpool.Pool, do func()) {
	b.Helper()
	for range 20 { // the plans are made, and the users stored
		do()
	}
	var backend int
	if err := pool.QueryRow(b.Context(), "select pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
	before := cpuOf(b, backend)
	for b.Loop() {
		do()
	}
	b.ReportMetric(float64((cpuOf(b, backend)-before).Microseconds())/float64(b.N), "postgres-µs/op")
}

// cpuOf returns the CPU time of a process so far, or 0 on a system without /proc.
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
