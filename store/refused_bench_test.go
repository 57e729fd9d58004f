package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/store/storetest"
)

// BenchmarkCommentsBesideBadWriters measures the comments/s of good writers while a trigger
// refuses every comment of 0, 1 or 4 other users.
func BenchmarkCommentsBesideBadWriters(b *testing.B) {
	dsn := storetest.NewDiskServer(b).DSN("tidings")
	site, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer site.Close(context.WithoutCancel(b.Context()))
	if err := migrations.Up(b.Context(), dsn, slog.New(slog.DiscardHandler)); err != nil {
		b.Fatal(err)
	}
	refuseSpam(b, site)
	for _, bad := range []int{0, 1, 4} {
		b.Run(fmt.Sprintf("bad=%d", bad), func(b *testing.B) { benchmarkBeside(b, dsn, bad) })
	}
}

func benchmarkBeside(b *testing.B, dsn string, bad int) {
	s, err := store.Open(b.Context(), store.Config{URL: dsn, AutoPosts: true, GroupCommit: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	defer running.Wait()
	defer stop()
	var refused atomic.Int64
	for i := range bad {
		running.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.CreateComment(ctx, store.NewComment{PostID: "42", Author: user(fmt.Sprint("bad", i)), Body: "spam"}); err == nil {
					b.Error("spam is published")
				}
				refused.Add(1)
			}
		})
	}
	var users atomic.Int64
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		by := user(fmt.Sprint("u", users.Add(1)))
		for pb.Next() {
			if _, err := s.CreateComment(ctx, store.NewComment{PostID: "42", Author: by, Body: "Hello"}); err != nil {
				b.Error(err)
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "comments/s")
	b.ReportMetric(float64(refused.Load())/b.Elapsed().Seconds(), "refused/s")
}
