package store_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A proxy stands between a store and Postgres, and can lose what they say to each
// other without a word, as a network does.
type proxy struct {
	dsn string

	upstream [2]string // network and address
	listener net.Listener
	copies   sync.WaitGroup

	mu    sync.Mutex // guards what follows
	conns []net.Conn
	mute  chan struct{} // closed: what came through before goes nowhere now
}

func newProxy(t *testing.T, dsn string) *proxy {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	streamtest.Must(t, err)
	p := &proxy{mute: make(chan struct{})}
	p.upstream[0], p.upstream[1] = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	dir, err := os.MkdirTemp("", "proxy-")
	streamtest.Must(t, err)
	p.listener, err = net.Listen("unix", filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", cfg.Port)))
	streamtest.Must(t, err)
	through, err := url.Parse(dsn)
	streamtest.Must(t, err)
	query := through.Query()
	query.Set("host", dir)
	through.RawQuery = query.Encode()
	p.dsn = through.String()
	p.copies.Go(p.accept)
	t.Cleanup(func() {
		p.listener.Close()
		p.cut()
		p.copies.Wait()
		os.RemoveAll(dir)
	})
	return p
}

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial(p.upstream[0], p.upstream[1])
		if err != nil {
			near.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, near, far)
		mute := p.mute
		p.mu.Unlock()
		p.copies.Go(func() { forward(near, far, mute) })
		p.copies.Go(func() { forward(far, near, mute) })
	}
}

// forward copies until either side closes. Once mute, it reads on and says nothing,
// nor that the other side has closed.
func forward(from, to net.Conn, mute chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-mute:
		default:
			if _, werr := to.Write(buf[:n]); err == nil {
				err = werr
			}
			if err != nil {
				to.Close()
			}
		}
		if err != nil {
			from.Close()
			return
		}
	}
}

// deafen makes all present connections black holes. New ones are good.
func (p *proxy) deafen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.mute)
	p.mute = make(chan struct{})
}

// cut closes all present connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}
