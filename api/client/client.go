package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	userAgent = "tidings-go"

	// idleConns is how many connections to one server are kept between calls; the
	// two that net/http keeps would make a load of parallel writers dial all day.
	idleConns = 256

	// drainLimit is how much of an unread answer is read to keep its connection.
	drainLimit = 64 << 10
)

// Client calls one Tidings server as one user, or as nobody. It is safe for
// concurrent use; what it opens (streams) must be closed by whoever opened it.
type Client struct {
	base  string // without a trailing slash
	token string
	http  *http.Client
}

// Option adjusts a Client as New makes it.
type Option func(*Client)

// WithToken sends token as the bearer of every request; "" means nobody.
func WithToken(token string) Option {
	return func(c *Client) { c.token = token }
}

// WithHTTPClient sends every request through h, which must not be nil. Its
// Timeout must be zero if streams are opened: it would cut them.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) { c.http = h }
}

// New returns the client of the server at baseURL, an http or https address
// whose path, if any, is put before every call's. It does not connect.
func New(baseURL string, opts ...Option) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("parse base URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("parse base URL: want http://host or https://host")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("parse base URL: a query or a fragment has no place in it")
	}
	c := &Client{base: strings.TrimRight(u.String(), "/")}
	for _, opt := range opts {
		opt(c)
	}
	if c.http == nil {
		c.http = &http.Client{Transport: newTransport()}
	}
	return c, nil
}

// newTransport has no limit on how long an answer may take to begin: a poll is
// held for as long as it asked. Contexts bound calls.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: idleConns,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}
}

// As returns a client of the same server, over the same connections, that calls
// as the bearer of token; "" means nobody.
func (c *Client) As(token string) *Client {
	other := *c
	other.token = token
	return &other
}

// CloseIdleConnections closes the connections that no call is using, those of
// every client made by As included.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// call is one request and what becomes of its answer.
type call struct {
	act    string // what is being done: the prefix of every error
	method string
	path   string // already escaped
	query  url.Values
	header http.Header
	in     any // the request's body as JSON; nil for none
	out    any // where the answer's JSON goes; nil to ignore it
}

// do makes the call and decodes its answer. The error is a *Problem inside when
// the server answered with anything but success.
func (c *Client) do(ctx context.Context, k call) error {
	if err := c.exchange(ctx, k); err != nil {
		return fmt.Errorf("%s: %w", k.act, err)
	}
	return nil
}

func (c *Client) exchange(ctx context.Context, k call) error {
	resp, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	defer discard(resp.Body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return readProblem(resp)
	}
	if k.out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(k.out); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// send makes the request and returns whatever answer there is.
func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	req, err := c.request(ctx, k)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	return resp, nil
}

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	body, err := encode(k.in)
	if err != nil {
		return nil, err
	}
	address := c.base + k.path
	if len(k.query) > 0 {
		address += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, address, body)
	if err != nil {
		return nil, withoutURL(err)
	}
	c.setHeaders(req, k)
	return req, nil
}

func (c *Client) setHeaders(req *http.Request, k call) {
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "application/json, application/problem+json")
	if k.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, values := range k.header {
		req.Header[name] = values
	}
}

// encode returns in as a JSON body, or no body at all for nil. A reader of known
// length lets net/http send the request again on a connection that went stale.
func encode(in any) (io.Reader, error) {
	if in == nil {
		return http.NoBody, nil
	}
	b, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return bytes.NewReader(b), nil
}

// withoutURL is err without the address that net/http and net/url put into it.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// discard ends an answer so that its connection can serve the next call.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, drainLimit) // a lost connection is merely not reused
	_ = body.Close()
}
