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

// A proxy stands between an instance and its database, and decides when what Postgres
// says arrives.
type proxy struct {
	dsn   string
	delay time.Duration // of every byte, about: some answers take longer than others

	mu   sync.Mutex    // guards what follows
	gate chan struct{} // what arrives now waits until it is closed; nil: it passes
	held int           // pieces that ever had to wait
}

// newProxy makes a proxy that carries connections to the database of dsn.
func newProxy(t *testing.T, dsn string, delay time.Duration) *proxy {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	must(t, err)
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{
		dsn:   "postgres://" + cfg.User + "@" + socket.Addr().String() + "/" + cfg.Database + "?sslmode=disable",
		delay: delay,
	}
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
			links.Go(func() { p.link(ctx, near, far) })
		}
	})
	return p
}

// link carries one connection until either end is closed, or ctx ends.
func (p *proxy) link(ctx context.Context, near, far net.Conn) {
	shut := func() { near.Close(); far.Close() }
	defer context.AfterFunc(ctx, shut)()
	var ways sync.WaitGroup
	ways.Go(func() {
		_, _ = io.Copy(far, near) // the end of either is the end of both
		shut()
	})
	ways.Go(func() {
		p.answer(ctx, near, far)
		shut()
	})
	ways.Wait()
}

// A piece of what Postgres says.
type piece struct {
	bytes []byte
	due   time.Time
	gate  <-chan struct{}
}

// answer copies in order: what comes after a piece waits with it.
func (p *proxy) answer(ctx context.Context, near io.Writer, far io.Reader) {
	said := make(chan piece, 1000)
	go func() {
		defer close(said)
		for {
			b := make([]byte, 16<<10)
			n, err := far.Read(b)
			if err != nil {
				return
			}
			said <- p.arrives(b[:n])
		}
	}()
	for s := range said {
		if s.gate != nil {
			select {
			case <-s.gate:
			case <-ctx.Done():
			}
		}
		<-time.After(time.Until(s.due))
		if _, err := near.Write(s.bytes); err != nil {
			break
		}
	}
	for range said { // nobody wants these
	}
}

func (p *proxy) arrives(b []byte) piece {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := piece{bytes: b, gate: p.gate}
	if p.gate != nil {
		p.held++
	}
	if p.delay > 0 {
		s.due = time.Now().Add(p.delay/2 + rand.N(p.delay))
	}
	return s
}

// holdNext holds back the next answer that comes, until release is called; others
// pass once ask has returned and that answer is here.
func (p *proxy) holdNext(t *testing.T, ask func()) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	before := p.shut(gate)
	ask()
	eventually(t, "an answer is held back", func() bool { return p.heldSoFar() > before })
	p.shut(nil)
	return func() { close(gate) }
}

func (p *proxy) shut(gate chan struct{}) (held int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = gate
	return p.held
}

func (p *proxy) heldSoFar() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}
