package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// farAway returns a DSN of the same database behind a proxy that holds back every
// byte that Postgres sends: whoever uses it is behind all others. Some answers take
// longer than others, so that of two connections the first to ask may be the last to know.
func farAway(t *testing.T, dsn string, delay time.Duration) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	must(t, err)
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	inBackground(t, func(ctx context.Context) error {
		var links sync.WaitGroup
		defer links.Wait()
		defer context.AfterFunc(ctx, func() { socket.Close() })()
		for {
			near, err := socket.Accept()
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			far, err := net.Dial(network, address)
			if err != nil {
				near.Close()
				continue
			}
			links.Go(func() { link(ctx, near, far, delay) })
		}
	})
	return "postgres://" + cfg.User + "@" + socket.Addr().String() + "/" + cfg.Database + "?sslmode=disable"
}

// link carries one connection until either end is closed, or ctx ends.
func link(ctx context.Context, near, far net.Conn, delay time.Duration) {
	shut := func() { near.Close(); far.Close() }
	defer context.AfterFunc(ctx, shut)()
	var ways sync.WaitGroup
	ways.Go(func() {
		_, _ = io.Copy(far, near) // the end of either is the end of both
		shut()
	})
	ways.Go(func() {
		copyLate(near, far, delay)
		shut()
	})
	ways.Wait()
}

// copyLate copies, in order and at full speed, but each byte about that much later.
func copyLate(dst io.Writer, src io.Reader, delay time.Duration) {
	type piece struct {
		due   time.Time
		bytes []byte
	}
	under := make(chan piece, 1000) // way
	go func() {
		defer close(under)
		for {
			b := make([]byte, 16<<10)
			n, err := src.Read(b)
			if err != nil {
				return
			}
			under <- piece{time.Now().Add(delay/2 + rand.N(delay)), b[:n]}
		}
	}()
	for p := range under {
		<-time.After(time.Until(p.due))
		if _, err := dst.Write(p.bytes); err != nil {
			break
		}
	}
	for range under { // nobody wants these
	}
}
