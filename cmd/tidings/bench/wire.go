package bench

import (
	"bufio"
	"bytes"
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
// machine with the server they measure. A delivery takes 8.8 µs of CPU this way and
// 10.1 µs through the client package, with two goroutines more and twice the memory;
// reading from an epoll loop of our own saved little, because most of it is read(2).
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

// get sends a request and returns the answer when its head is there. An answer that
// is no 200 is an error.
func (c *wireConn) get(path string, query url.Values, token, accept string) (*http.Response, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s%s?%s HTTP/1.1\r\nHost: %s\r\nAccept: %s\r\nUser-Agent: tidings-bench\r\n",
		c.wire.base, path, query.Encode(), c.wire.host, accept)
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	b.WriteString("\r\n")
	if _, err := c.Write(b.Bytes()); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, refusalOf(answer)
	}
	return answer, nil
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
