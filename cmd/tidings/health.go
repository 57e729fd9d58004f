package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

// healthTimeout is how long the server may take to answer.
const healthTimeout = 3 * time.Second

// healthCommand asks /healthz of a server on this machine. It has the settings of the
// server, so that it needs no flags in the server's container.
type healthCommand struct {
	Addr    string `env:"TIDINGS_ADDR" default:":8080" help:"Address that the server listens on, host:port."`
	TLSCert string `name:"tls-cert" env:"TIDINGS_TLS_CERT" placeholder:"FILE" help:"Certificate of the server. If it is set, the request uses TLS. The certificate is not checked. Default: none."`
}

// Run returns nil if the server answers 200 within 3 s. /healthz says that the process
// works, not that it is ready: a container must not be restarted because its database is
// down.
func (c *healthCommand) Run(ctx context.Context) error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	scheme := "http://"
	if c.TLSCert != "" {
		scheme = "https://"
	}
	// The request goes to this machine, under an address that the certificate does not name.
	local := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	url := scheme + net.JoinHostPort(host, port) + "/healthz"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := local.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}
