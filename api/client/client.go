package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	userAgent = "tidings-go"

	// idleConns is the number of idle connections to the server that are kept. The
	// default of net/http, 2, would make parallel callers dial for nearly every call.
	idleConns = 256

	// drainLimit is the number of bytes of an unread answer that are read so that its
	// connection can be used again. A connection with more unread bytes is closed.
	drainLimit = 64 << 10
)

// ErrNotJSON means that the answer is a success but not JSON. The address is probably not
// that of a Tidings server, or a login page is in front of it.
var ErrNotJSON = errors.New("the answer is no JSON")

// Client calls one Tidings server as one user, or without a user. It is safe for
// concurrent use. The caller closes the streams it opens.
type Client struct {
	base    string // without a trailing slash
	token   string // "" sends none
	version int64  // 0: any
	http    *http.Client
}

// Option configures a [Client] in [New].
type Option func(*Client)

// WithToken sends token, a JWT of the site, as the bearer token of every request. ""
// sends no token: the caller is then not signed in.
func WithToken(token string) Option {
	return func(c *Client) { c.token = token }
}

// WithHTTPClient sends every request through h, which must not be nil. Its Timeout
// must be 0 if streams are opened, because a Timeout also ends streams.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) { c.http = h }
}

// New returns a client of the server at baseURL, an http or https URL. The path of
// baseURL, if it has one, is the prefix of every call's path. New does not connect; it
// returns an error if baseURL is not an http or https URL, or has a query or fragment.
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

// newTransport returns a transport without a ResponseHeaderTimeout, because the
// server holds a poll for as long as the poll asked. The context of a call limits it.
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

// As returns a client of the same server, over the same connections, that sends token
// instead. "" sends no token.
func (c *Client) As(token string) *Client {
	other := *c
	other.token = token
	return &other
}

// IfVersion returns a client of the same server, over the same connections, for one change of a
// comment: its calls EditComment, DeleteComment, SetStatus, PinComment and UnpinComment change
// only a comment of that version (RFC 9110 section 13.1.1). If another change came first, the
// error is a [*Problem] with status 412 and code version_mismatch. A change that is already made
// succeeds. 0 allows any version.
func (c *Client) IfVersion(version int64) *Client {
	other := *c
	other.version = version
	return &other
}

// ifMatch is the condition of [Client.IfVersion].
func (c *Client) ifMatch() http.Header {
	if c.version == 0 {
		return nil
	}
	return http.Header{"If-Match": {`"` + strconv.FormatInt(c.version, 10) + `"`}}
}

// CloseIdleConnections closes the connections that no call is using. Clients that were
// made by [Client.As] or [Client.IfVersion] share these connections.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// call describes one request and the value its answer is decoded into.
type call struct {
	act    string // the prefix of the error, such as "create comment"
	method string
	path   string // percent-encoded
	query  url.Values
	header http.Header
	in     any // encoded as the JSON body; nil for no body
	out    any // the answer's JSON is decoded into it; nil ignores the answer
}

// do makes the call and decodes its answer. An answer that is not a success is an
// error that wraps a *Problem.
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
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "application/json" {
		return fmt.Errorf("%w but %q", ErrNotJSON, kind)
	}
	if err := json.NewDecoder(resp.Body).Decode(k.out); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// send makes the request and returns its answer, whatever its status. The caller
// closes the body.
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

// encode returns in as a JSON body, or http.NoBody for nil. It returns a bytes.Reader,
// which net/http can read twice: so it can repeat the request if the server has closed
// an idle connection.
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

// withoutURL unwraps the url.Error of net/http and net/url, whose text contains the
// address.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// discard reads the rest of an answer, up to drainLimit, and closes it, so that its
// connection can be used for the next call.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, drainLimit) // after an error the connection is not used again
	_ = body.Close()
}
