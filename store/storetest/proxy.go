package storetest

import (
	"testing"

	"github.com/tidings-live/tidings/store/storetest/tcpproxy"
)

// Proxy makes a proxy in front of the server of dsn, and returns it with the DSN that
// leads through it. The proxy is closed when the test ends.
func Proxy(tb testing.TB, dsn string) (p *tcpproxy.Proxy, through string) {
	tb.Helper()
	p, through, err := tcpproxy.Postgres(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p, through
}
