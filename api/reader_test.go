package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// patience bounds how long a test waits for bytes.
const patience = streamtest.Patience

// A block is what stands between two blank lines of an event stream.
type block []string

// field returns the value of a field, "" when it is absent.
func (b block) field(name string) string {
	for _, line := range b {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return value
		}
	}
	return ""
}

// fields are the names of the fields in their order.
func (b block) fields() string {
	names := make([]string, len(b))
	for i, line := range b {
		names[i], _, _ = strings.Cut(line, ":")
	}
	return strings.Join(names, " ")
}

// blocks reads an event stream. Comment lines stand between blocks, never in one.
type blocks struct {
	t        testing.TB
	r        *bufio.Reader
	comments int
}

// next returns the next block, or io.EOF at a clean end.
func (b *blocks) next() (block, error) {
	b.t.Helper()
	var lines block
	for {
		line, err := b.r.ReadString('\n')
		switch {
		case err != nil && line+strings.Join(lines, "") != "":
			b.t.Fatalf("stream ends within a block: %q %q", lines, line)
		case err != nil:
			return nil, err
		case strings.HasPrefix(line, ":") && lines == nil:
			b.comments++
		case line == "\n" && lines != nil:
			return lines, nil
		case line == "\n" || strings.HasPrefix(line, ":"):
			b.t.Fatalf("%q after %q", line, lines)
		default:
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
}

// event returns the next block, which must be of this event. It passes over stream.checkpoint,
// which a quiet reader may get at any time.
func (b *blocks) event(name string) block {
	b.t.Helper()
	next, err := b.next()
	for err == nil && next.field("event") != name && next.field("event") == "stream.checkpoint" {
		next, err = b.next()
	}
	streamtest.Must(b.t, err)
	if got := next.field("event"); got != name {
		b.t.Fatalf("event is %q, want %q: %q", got, name, next)
	}
	return next
}

// ends wants the stream to end cleanly here.
func (b *blocks) ends() {
	b.t.Helper()
	if next, err := b.next(); !errors.Is(err, io.EOF) {
		b.t.Fatalf("no clean end but %q, %v", next, err)
	}
}

// A follower is an open stream.
type follower struct {
	blocks
	header http.Header
	leave  func()
}

// follow opens a stream of a query.
func (r *rig) follow(t testing.TB, query string, edits ...edit) *follower {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	res, err := r.client.Do(r.request(t, "GET", "/v1/events?"+query, edits...).WithContext(ctx))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	leave := func() { cancel(); res.Body.Close() }
	t.Cleanup(leave)
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("stream of %s: %d %s", query, res.StatusCode, text)
	}
	return &follower{blocks{t: t, r: bufio.NewReader(res.Body)}, res.Header, leave}
}

// A wire is a connection on which a test writes every byte itself.
type wire struct {
	*net.TCPConn
	rig *rig
	t   testing.TB
	r   *bufio.Reader
}

// dial connects.
func (r *rig) dial(t testing.TB) *wire {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.addr)
	streamtest.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	streamtest.Must(t, conn.SetDeadline(time.Now().Add(patience)))
	return &wire{conn.(*net.TCPConn), r, t, bufio.NewReader(conn)}
}

// ask sends the head of a request: its line, Host, and more header lines.
func (w *wire) ask(line string, headers ...string) {
	w.t.Helper()
	_, err := io.WriteString(w, line+"\r\nHost: tidings.example\r\n"+strings.Join(append(headers, "", ""), "\r\n"))
	streamtest.Must(w.t, err)
}

// head reads the status line and the header.
func (w *wire) head() (status string, header textproto.MIMEHeader) {
	w.t.Helper()
	tp := textproto.NewReader(w.r)
	status, err := tp.ReadLine()
	streamtest.Must(w.t, err)
	header, err = tp.ReadMIMEHeader()
	streamtest.Must(w.t, err)
	return status, header
}

// chunk reads one chunk of a body; the last one is empty.
func (w *wire) chunk() string {
	w.t.Helper()
	size, err := w.r.ReadString('\n')
	streamtest.Must(w.t, err)
	n, err := strconv.ParseUint(strings.TrimSuffix(size, "\r\n"), 16, 32)
	streamtest.Must(w.t, err)
	data := make([]byte, n+2)
	_, err = io.ReadFull(w.r, data)
	streamtest.Must(w.t, err)
	return string(data[:n])
}

// closed wants the server to close the connection here.
func (w *wire) closed() {
	w.t.Helper()
	if rest, err := io.ReadAll(w.r); err != nil || len(rest) > 0 {
		w.t.Errorf("connection is not closed: %q, %v", rest, err)
	}
}
