package store

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/store/storetest"
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
	ctx := b.Context()
	s, err := Open(ctx, Config{URL: storetest.Database(b), AutoPosts: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var backend int
	if err := s.pool.QueryRow(ctx, "select pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
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
	for range 20 { // plans are made, the users noted
		commit()
	}
	before := cpuOf(b, backend)
	for b.Loop() {
		commit()
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
