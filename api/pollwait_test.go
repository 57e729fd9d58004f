package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// Parameters that are no numbers, or out of bounds, are refused.
func TestPollParameters(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for _, value := range []string{"-1", "1.5", "NaN", "1e12", "", "x", "+1", "%2B1", "0x1", "1%20", "999999999999999999999x", "1&wait=1"} {
		r.do(t, "GET", "/v1/poll?topic=room:1&wait="+value).isProblem(t, 400, "malformed")
	}
	for _, value := range []string{"0", "-1", "1001", "1e9", "1000000000", "1.5", "NaN", "", "%2B1", "2&limit=1"} {
		r.do(t, "GET", "/v1/poll?topic=room:1&limit="+value).isProblem(t, 400, "malformed")
	}
	for _, query := range []string{"wait=0", "wait=55", "wait=56", "wait=1000000", "wait=999999999999999999999", "limit=1", "limit=1000"} { // all answer at once, because they begin now
		streamtest.Want(t, "events", len(r.poll(t, "topic=room:1&"+query).Events), 0)
	}
}

func TestPollWait(t *testing.T) {
	t.Parallel()
	r := newRig(t)

	for _, c := range []struct {
		query   string
		prefer  []string
		seconds time.Duration
		applied string
	}{
		{"", nil, 25, ""},
		{"wait=10", nil, 10, ""},
		{"wait=0", nil, 0, ""},
		{"wait=100", nil, 55, ""},
		{"", []string{"wait=10"}, 10, "wait=10"},
		{"", []string{"wait=100"}, 55, "wait=55"},
		{"", []string{"wait=0"}, 0, "wait=0"},
		{"", []string{"respond-async, wait=7"}, 7, "wait=7"},
		{"", []string{"respond-async", "Wait = 7;x=y"}, 7, "wait=7"},
		{"wait=10", []string{"wait=7"}, 10, ""}, // the query has precedence
		{"", []string{"wait"}, 25, ""},
		{"", []string{"wait="}, 25, ""},
		{"", []string{"wait=-1"}, 25, ""},
		{"", []string{"wait=1.5"}, 25, ""},
		{"", []string{"wait=x, wait=7"}, 25, ""},
		{"", []string{"await=7"}, 25, ""},
		{"", []string{"wait=99999999999999999999"}, 55, "wait=55"},
		{"wait=99999999999999999999", nil, 55, ""},
	} {
		req := httptest.NewRequest("GET", "/v1/poll?"+c.query, nil)
		req.Header["Prefer"] = c.prefer
		rec := newRecorder()
		ctx := r.echo.NewContext(req, rec)
		values, err := parseQuery(req.URL.RawQuery)
		streamtest.Must(t, err)
		seen := map[time.Duration]bool{}
		for range 5 {
			most, err := pollWait(ctx, reading{values: values})
			streamtest.Must(t, err)
			streamtest.Want(t, "the longest wait", most, c.seconds*time.Second)
			wait := time.Until(r.pollConfig(&pollRequest{wait: most}, stream.At(stream.Cursor{})).Until).Round(time.Second / 100)
			if wait > most || wait < most-most/10-time.Second/10 {
				t.Errorf("%q %q waits %v, want 90 to 100 %% of %v", c.query, c.prefer, wait, most)
			}
			seen[wait] = true
		}
		if c.seconds > 0 && len(seen) == 1 {
			t.Errorf("%q %q always waits %v", c.query, c.prefer, seen)
		}
		streamtest.Want(t, "Preference-Applied", rec.Header().Get("Preference-Applied"), c.applied)
	}
}

// A poll ends with its token, however long it may wait.
func TestPollEndsWithItsToken(t *testing.T) {
	t.Parallel()
	pollsInEveryWay(t, pollEndsWithItsToken)
}

func pollEndsWithItsToken(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	expires := time.Now().Add(2 * time.Second)
	got := r.poll(t, "topic=me&wait=55&cursor="+r.head(t), header("Authorization", "Bearer "+tokenUntil(t, expires, "ann")))
	streamtest.Want(t, "events", len(got.Events), 0)
	if late := time.Since(expires); late > 40*time.Second { // the wait is 55 s
		t.Errorf("it answered %v after the token's end", late)
	}
}

// A server that stops answers its polls, and their clients go on at another server.
func TestPollWhileDraining(t *testing.T) {
	t.Parallel()
	pollsInEveryWay(t, pollWhileDraining)
}

func pollWhileDraining(t *testing.T, way func(*setup)) {
	r := newRig(t, way)

	start := r.head(t)
	waiting := r.later(t, "topic=room:1&cursor="+start)
	w := r.dial(t)
	w.ask("GET /v1/poll?topic=room:1&cursor=" + start + " HTTP/1.1")
	r.waiting(t, 2)
	r.Drain()
	r.hub.Close()
	got := <-waiting
	streamtest.Want(t, "status", got.status, http.StatusOK)
	streamtest.Want(t, "events and cursor", []any{len(got.Events), got.Cursor}, []any{0, start})
	status, head := w.head()
	streamtest.Want(t, "status line", status, "HTTP/1.1 200 OK")
	streamtest.Want(t, "Connection", head.Get("Connection"), "close")
	rest := make([]byte, len(`{"events":[],`))
	_, err := w.r.Read(rest)
	streamtest.Must(t, err)
	if !strings.HasPrefix(string(rest), `{"events":[]`) {
		t.Errorf("body begins with %q", rest)
	}
	r.do(t, "GET", "/v1/poll?topic=room:1&cursor="+start).isProblem(t, 503, "unavailable")
}
