package tcpproxy

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Postgres makes a proxy in front of the server of dsn, a URL that may name a Unix
// socket. It returns the DSN that reaches the same database through the proxy, without
// TLS and with the other parameters of dsn.
func Postgres(dsn string) (p *Proxy, through string, err error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, "", fmt.Errorf("parse DSN: %w", err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, "", fmt.Errorf("parse DSN: %w", err)
	}
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	p, err = Listen(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	})
	if err != nil {
		return nil, "", err
	}
	query := u.Query()
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = p.Addr(), query.Encode()
	return p, u.String(), nil
}
