package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A wire makes connections as bare as they can be: thousands of readers share the
// machine with the server they measure.
type wire struct {
	addr string
	host string
	base string // path before every call's
	tls  *tls.Config
}

func newWire(address string) (*wire, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("parse base URL: %w", err)
	}
	w := &wire{host: u.Host, base: strings.TrimRight(u.EscapedPath(), "/")}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
		w.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
	}
	if u.Port() != "" {
		port = u.Port()
	}
	w.addr = net.JoinHostPort(u.Hostname(), port)
	return w, nil
}

// A wireConn is one connection, for one goroutine.
type wireConn struct {
	net.Conn
	wire *wire
	in   *bufio.Reader
	stop func() bool
}

// dial connects. The connection closes when ctx ends.
func (w *wire) dial(ctx context.Context) (*wireConn, error) {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", w.addr)
	if err != nil {
		return nil, err
	}
	if w.tls != nil {
		conn = tls.Client(conn, w.tls)
	}
	c := &wireConn{Conn: conn, wire: w, in: bufio.NewReaderSize(conn, 4<<10)}
	c.stop = context.AfterFunc(ctx, func() { conn.Close() })
	return c, nil
}

func (c *wireConn) close() {
	c.stop()
	c.Conn.Close()
}

// ask sends a request and returns the answer when its head is there. An answer that is
// neither 200, 201 nor 101 is an error.
func (c *wireConn) ask(request []byte) (*http.Response, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusSwitchingProtocols:
		return answer, nil
	default:
		return nil, refusalOf(answer)
	}
}

// pump reads the connection to its end.
func (c *wireConn) pump(in feeder) error { return c.pumpUntil(in, func() bool { return false }) }

// pumpUntil reads until something has come true of what was read.
func (c *wireConn) pumpUntil(in feeder, ok func() bool) error {
	piece := make([]byte, 4<<10)
	for !ok() {
		n, err := c.in.Read(piece)
		if err != nil {
			return err
		}
		reply, err := in.feed(piece[:n])
		if err == nil && len(reply) > 0 {
			_, err = c.Write(reply)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refusalOf is the problem (RFC 9457) that the server answered with.
func refusalOf(answer *http.Response) error {
	var problem struct{ Code, Detail string }
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10)) // the status says enough
	_ = json.Unmarshal(text, &problem)
	err := fmt.Errorf("the server answers %s %s: %s", answer.Status, problem.Code, problem.Detail)
	if answer.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%w (TIDINGS_RATE_LIMITS=off and TIDINGS_MAX_STREAMS_PER_ADDRESS lift its limits)", err)
	}
	return err
}
