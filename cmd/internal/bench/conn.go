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

// A dialer opens connections to the server that is measured. They bypass net/http, as
// thousands of readers share the machine with the server.
type dialer struct {
	addr string      // host:port to connect to
	host string      // Host header
	base string      // path of the server's URL, without a slash at its end
	tls  *tls.Config // nil for http
}

// newDialer parses the server's URL, http or https.
func newDialer(address string) (*dialer, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("parse base URL: %w", err)
	}
	d := &dialer{host: u.Host, base: strings.TrimRight(u.EscapedPath(), "/")}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
		d.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
	}
	if u.Port() != "" {
		port = u.Port()
	}
	d.addr = net.JoinHostPort(u.Hostname(), port)
	return d, nil
}

// A rawConn is one HTTP/1.1 connection. Its methods are for one goroutine at a time, but
// Conn.Close is for any.
type rawConn struct {
	net.Conn
	dialer *dialer
	in     *bufio.Reader
	stop   func() bool // releases the context that dial was called with
}

// dial connects within 30 seconds. The connection is closed when ctx ends.
func (d *dialer) dial(ctx context.Context) (*rawConn, error) {
	network := &net.Dialer{Timeout: 30 * time.Second}
	conn, err := network.DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return nil, err
	}
	if d.tls != nil {
		conn = tls.Client(conn, d.tls)
	}
	c := &rawConn{Conn: conn, dialer: d, in: bufio.NewReaderSize(conn, 4<<10)}
	c.stop = context.AfterFunc(ctx, func() { conn.Close() })
	return c, nil
}

// close closes the connection and releases the context's hold on it.
func (c *rawConn) close() {
	c.stop()
	c.Conn.Close()
}

// roundTrip sends a request and returns the response as soon as its header has arrived.
// The caller reads the body. A status other than 200, 201, 304 and 101 is an error.
func (c *rawConn) roundTrip(request []byte) (*http.Response, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusNotModified, http.StatusSwitchingProtocols:
		return answer, nil
	default:
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10)) // without a body the status remains
		return nil, problemOf(answer.StatusCode, text)
	}
}

// feedAll feeds in until the connection ends, and returns why.
func (c *rawConn) feedAll(in feeder) error { return c.feedUntil(in, func() bool { return false }) }

// feedUntil feeds in until ok returns true or the connection ends.
func (c *rawConn) feedUntil(in feeder, ok func() bool) error {
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

// problemOf returns the server's problem document (RFC 9457) as an error.
func problemOf(status int, body []byte) error {
	var problem struct{ Code, Detail string }
	_ = json.Unmarshal(body, &problem)
	err := fmt.Errorf("the server answered %d %s %s: %s", status, http.StatusText(status), problem.Code, problem.Detail)
	if status == http.StatusTooManyRequests {
		return fmt.Errorf("%w (set TIDINGS_RATE_LIMITS=off and TIDINGS_MAX_STREAMS_PER_ADDRESS on the server)", err)
	}
	return err
}
