package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// emoji is a comment of the longest size: 20,000 bytes.
var emoji = strings.Repeat("\U0001F600", 5000)

// fill stores comments of the longest size.
func (r *rig) fill(t *testing.T, post string, n int) {
	t.Helper()
	r.exec(t, `insert into tidings.comments (post_id, author_id, body) select $1, 'ann', $2 from generate_series(1, $3)`, post, emoji, n)
}

// dialFrom connects from one of our loopback addresses, with a small receive buffer.
func (r *rig) dialFrom(t *testing.T, ip string) *wire {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).DialContext(t.Context(), "tcp", r.addr)
	streamtest.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	tcp := conn.(*net.TCPConn)
	streamtest.Must(t, tcp.SetReadBuffer(4<<10))
	streamtest.Must(t, tcp.SetDeadline(time.Now().Add(patience)))
	return &wire{TCPConn: tcp, t: t}
}

func TestList_EndsAtAMegabyteAndGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(t, "1", 100)
	r.exec(t, `insert into tidings.comments (post_id, author_id, body) select 'html', 'ann', repeat('<', 5000) from generate_series(1, 100)`)
	for _, post := range []string{"1", "html"} {
		seen := make(map[string]bool)
		pages := 0
		for next := ""; pages == 0 || next != ""; pages++ {
			a := r.do(t, "GET", "/v1/posts/"+post+"/comments?limit=100&after="+next)
			streamtest.Want(t, "status", a.status, 200)
			if len(a.body) > maxAnswerBytes+(64<<10) {
				t.Fatalf("a page has %d bytes", len(a.body))
			}
			var page struct {
				Data []struct{ ID string }
				Page struct {
					Next *string
					More bool
				}
			}
			streamtest.Must(t, json.Unmarshal([]byte(a.body), &page))
			for _, c := range page.Data {
				seen[c.ID] = true
			}
			next = ""
			if page.Page.More {
				next = *page.Page.Next
			}
		}
		streamtest.Want(t, "comments of "+post, len(seen), 100)
		if pages < 2 {
			t.Errorf("%d pages of %s", pages, post)
		}
	}
}

// Clients that do not read their answers use up the bytes of their own address only, and
// are cut.
func TestAnswers_ThatAreNotRead(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]func(int) string{
		"Lists": func(int) string { return "/v1/posts/1/comments?limit=100" },
		// Polls with other cursors have other answers. Equal answers would be counted once.
		"Polls": func(i int) string { return fmt.Sprintf("/v1/poll?topic=room:1&cursor=1-%d&limit=1000", 101+i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(s *setup) { s.hub.Patience = 15 * time.Second })
			r.fill(t, "1", 100)
			r.exec(t, `select tidings.publish('room:1', 'x', to_jsonb(repeat('x', 50000))) from generate_series(1, 120)`)
			r.head(t)
			attackers := 0
			streamtest.Eventually(t, "an answer is refused", func() bool {
				for range 8 { // the first ones may have been cut meanwhile
					w := r.dialFrom(t, "127.0.0.2")
					w.ask("GET " + path(attackers%80) + " HTTP/1.1")
					attackers++
				}
				return r.refused(t, limit.AddressBytes) > 0
			})
			streamtest.Want(t, "status at another address", r.do(t, "GET", path(0)).status, 200)
			streamtest.Eventually(t, "the answers are cut", func() bool { return r.busy.Load() == 0 })
			streamtest.Want(t, "status afterwards", r.do(t, "GET", path(0)).status, 200)
		})
	}
}

// An answer that is read slowly is not cut, as long as it comes forward.
func TestPacedWriter_LeavesSlowReaders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(t, "1", 20)
	w := r.dialFrom(t, "127.0.0.1")
	streamtest.Must(t, w.SetReadBuffer(64<<10))
	w.ask("GET /v1/posts/1/comments?limit=100 HTTP/1.1", "Connection: close")
	got, err := io.ReadAll(&slowReader{w})
	streamtest.Must(t, err)
	if len(got) < 20*len(emoji) {
		t.Errorf("%d bytes were read", len(got))
	}
}

// A slowReader reads in small parts.
type slowReader struct{ io.Reader }

func (s *slowReader) Read(b []byte) (int, error) { return s.Reader.Read(b[:min(len(b), 1000)]) }

// The deadline of an answer is not that of the next one on the connection, nor of a stream.
func TestPacedWriter_LeavesNoDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) { s.hub.Patience = 50 * time.Millisecond; s.api.Heartbeat = 100 * time.Millisecond })
	w := r.dial(t)
	w.ask("GET /healthz HTTP/1.1")
	_, header := w.head()
	skip(t, w, header.Get("Content-Length"))
	answered := time.Now()
	streamtest.Eventually(t, "the deadline of the first answer has passed", func() bool { return time.Since(answered) > 100*time.Millisecond })
	w.ask("DELETE /v1/posts/1/like HTTP/1.1")
	status, header := w.head()
	streamtest.Want(t, "status line", status, "HTTP/1.1 401 Unauthorized")
	skip(t, w, header.Get("Content-Length"))
	w.ask("GET /v1/events?topic=post:1 HTTP/1.1")
	status, _ = w.head()
	streamtest.Want(t, "status line of a stream", status, "HTTP/1.1 200 OK")
	for heartbeats := 0; heartbeats < 3; {
		if w.chunk() == ":\n" {
			heartbeats++
		}
	}
}

func skip(t *testing.T, w *wire, length string) {
	t.Helper()
	var n int64
	_, err := fmt.Sscan(length, &n)
	streamtest.Must(t, err)
	_, err = io.CopyN(io.Discard, w.r, n)
	streamtest.Must(t, err)
}

// Connections that ask for nothing count by address: the one that has waited longest is
// closed, and other addresses keep theirs.
func TestIdleConnections_CountByAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(Limits{PerAddress: 1}))
	other := r.dial(t)
	other.ask("HEAD /healthz HTTP/1.1")
	other.head()
	var idle []*wire
	for range 17 {
		idle = append(idle, r.dialFrom(t, "127.0.0.2"))
	}
	if _, err := idle[0].Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // an exact end
		t.Errorf("the oldest connection: %v", err)
	}
	streamtest.Want(t, "refusals", r.refused(t, limit.AddressConns), 1)
	other.ask("GET /healthz HTTP/1.1")
	status, _ := other.head()
	streamtest.Want(t, "status line at another address", status, "HTTP/1.1 200 OK")
}
