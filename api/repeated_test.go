package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/internal/repeat"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// pollsInEveryWay runs a test of polls in every way, and once more with polls that repeat a
// known request, which a worker answers.
func pollsInEveryWay(t *testing.T, test func(t *testing.T, way func(*setup))) {
	inEveryWay(t, test)
	if runtime.GOOS != "linux" {
		return
	}
	t.Run("Repeated", func(t *testing.T) {
		t.Parallel()
		test(t, func(s *setup) { s.repeated = true })
	})
}

// A repeater is the transport of a client whose polls repeat a known request. Its other
// requests, and polls that no server may remember, take another transport.
type repeater struct {
	*rig
	t     testing.TB
	base  http.RoundTripper
	ready atomic.Pointer[wire] // for the next request; nil: none
}

// repeating returns a transport of a rig for polls that repeat a known request.
func (r *rig) repeating(t testing.TB, base http.RoundTripper) http.RoundTripper {
	return &repeater{rig: r, t: t, base: base}
}

// RoundTrip implements [http.RoundTripper].
func (r *repeater) RoundTrip(req *http.Request) (*http.Response, error) {
	request := requestText(req)
	w := r.ready.Swap(nil)
	if w == nil {
		w = r.prepare(request)
	}
	if w == nil {
		return r.base.RoundTrip(req)
	}
	_, err := w.Write(request)
	streamtest.Must(r.t, err)
	context.AfterFunc(req.Context(), func() { w.Close() })
	res, err := http.ReadResponse(w.r, req)
	if err != nil {
		return nil, err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{res.Body, w}
	return res, nil
}

// prepare returns a connection over which the hub will answer a request; nil if it will not.
func (r *repeater) prepare(request []byte) *wire {
	if _, ok := repeat.Scan(request); !ok || r.stopping.Load() {
		return nil
	}
	r.learn(r.t, request)
	return r.kept(r.t)
}

// prepare prepares the next request of the client, so that only its own poll will wait.
func (r *rig) prepare(req *http.Request) {
	if again, ok := r.client.Transport.(*repeater); ok {
		again.ready.Store(again.prepare(requestText(req)))
	}
}

// requestText is a request as it is sent.
func requestText(req *http.Request) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, req.URL.RequestURI(), req.URL.Host)
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		for _, value := range req.Header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// primer is a topic that no test reads.
var primer = func() stream.Topic {
	topic, err := stream.ParseTopic("post:primer")
	if err != nil {
		panic(err)
	}
	return topic
}()

// kept returns a connection that the hub keeps.
func (r *rig) kept(t testing.TB) *wire {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("connections are not taken over on this system")
	}
	w := r.dial(t)
	streamtest.Eventually(t, "the hub keeps the connection", func() bool {
		w.poll()
		<-time.After(time.Millisecond) // the hub keeps it after the answer, if the poll has waited
		return r.keeps(w)
	})
	return w
}

// poll polls for the primer over a connection until an event comes.
func (w *wire) poll() {
	w.t.Helper()
	r := w.rig
	w.ask("GET /v1/poll?topic=" + primer.String() + "&cursor=" + r.hub.Head().String() + " HTTP/1.1")
	answered := make(chan error, 1)
	go func() {
		res, err := http.ReadResponse(w.r, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
		}
		answered <- err
	}()
	for {
		select {
		case err := <-answered:
			streamtest.Must(w.t, err)
			return
		case <-time.After(time.Millisecond):
			r.hub.Broadcast(stream.Event{Topic: primer, Name: stream.TypingName, Data: stream.MustData(1)})
		}
	}
}

// keeps reports whether the hub keeps a connection until its next request.
func (r *rig) keeps(w *wire) bool {
	return slices.ContainsFunc(r.conns.Kept(), func(c net.Conn) bool { return c.RemoteAddr().String() == w.LocalAddr().String() })
}

// learn has the server remember a request, as a client does that has sent the request before.
func (r *rig) learn(t testing.TB, request []byte) {
	t.Helper()
	head, ok := repeat.Scan(request)
	streamtest.Want(t, "the request can be remembered", ok, true)
	key := r.polls.Key(netip.MustParseAddr("127.0.0.1"), head)
	known := func() bool { _, ok := r.polls.Get(key); return ok }
	if known() {
		return
	}
	w := r.kept(t)
	_, err := w.Write(request)
	streamtest.Must(t, err)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = w.r.Peek(1)
	}()
	streamtest.Eventually(t, "the request is known or refused", func() bool {
		select {
		case <-answered:
			return true
		default:
			return known()
		}
	})
	streamtest.Must(t, w.CloseWrite()) // ends a poll that waits
	<-answered
	w.Close()
}

// exchange sends a request over a connection, and returns the answer with sorted lines and
// without ids and dates.
func (w *wire) exchange(request []byte) string {
	w.t.Helper()
	_, err := w.Write(request)
	streamtest.Must(w.t, err)
	return w.sorted()
}

// sorted reads an answer. Lines of the head are sorted. Ids of requests and dates differ in
// each answer, so they are left out.
func (w *wire) sorted() string {
	w.t.Helper()
	res, err := http.ReadResponse(w.r, nil)
	if err != nil {
		return "no answer"
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "no whole answer"
	}
	id := res.Header.Get("X-Request-Id")
	res.Header.Del("X-Request-Id")
	res.Header.Del("Date")
	if res.Header.Get("Retry-After") != "" { // random
		res.Header.Set("Retry-After", "*")
	}
	text := fmt.Sprintf("%s %s close=%v\n", res.Proto, res.Status, res.Close)
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		text += fmt.Sprintf("%s: %q\n", name, res.Header[name])
	}
	if id != "" {
		body = bytes.ReplaceAll(body, []byte(id), []byte("*"))
	}
	return text + string(body)
}

// A poll that repeats a known request has the same answer, and no handler runs.
func TestRepeatedPoll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	start := r.head(t)
	r.publish(t, "user:ann", "tick", `"for ann"`)
	r.publish(t, "room:1", "tick", `1`)
	one, end := r.head(t), ""
	r.publish(t, "room:1", "tick", `2`)
	end = r.head(t)
	ann := "Authorization: Bearer " + token(t, "ann") + "\r\n"
	ask := func(cursor, headers string) []byte {
		return []byte("GET /v1/poll?topic=me&topic=room:1&wait=1&cursor=" + cursor + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n")
	}
	// first returns the answer of net/http, over a new connection.
	first := func(request []byte) string { return r.dial(t).exchange(request) }
	handled := func() int64 { return r.handled.Load() }

	r.learn(t, ask(end, ann))
	t.Run("IsAnsweredByAWorker", func(t *testing.T) {
		w := r.kept(t)
		before := handled()
		answers := []string{w.exchange(ask(start, ann)), w.exchange(ask(one, ann)), w.exchange(ask(end, ann))}
		streamtest.Want(t, "requests that a handler has answered", handled(), before)
		for i, cursor := range []string{start, one, end} {
			streamtest.Want(t, "the answer", answers[i], first(ask(cursor, ann)))
		}
		if !strings.Contains(answers[0], "for ann") || !strings.Contains(answers[0], `"user":"ann"`) {
			t.Errorf("the answer is %s", answers[0])
		}
	})
	t.Run("IgnoresIdsOfTheClient", func(t *testing.T) {
		request := ask(one, ann+"X-Request-Id: a\r\ntraceparent: 00-b\r\n")
		r.learn(t, request)
		w := r.kept(t)
		before := handled()
		got := w.exchange(ask(one, ann+"X-Request-Id: other\r\ntraceparent: 00-c\r\n"))
		streamtest.Want(t, "requests that a handler has answered", handled(), before)
		streamtest.Want(t, "the answer", got, first(request))
	})
	t.Run("IsNotThatOfAnotherRequest", func(t *testing.T) {
		for name, request := range map[string][]byte{
			"without a token":        ask(start, ""),
			"of another user":        ask(start, "Authorization: Bearer "+token(t, "bob")+"\r\n"),
			"with a cookie":          ask(start, ann+"Cookie: a=b\r\n"),
			"of a page":              ask(start, ann+"Origin: https://evil.example\r\n"),
			"with another case":      ask(start, strings.Replace(ann, "Authorization", "authorization", 1)),
			"with two cursors":       []byte(strings.Replace(string(ask(start, ann)), "wait=1", "cursor="+one, 1)),
			"with a header cursor":   ask(start, ann+"Last-Event-ID: "+one+"\r\n"),
			"with a body":            ask(start, ann+"Content-Length: 0\r\n"),
			"of HTTP/1.0":            []byte(strings.Replace(string(ask(start, ann)), "HTTP/1.1", "HTTP/1.0", 1)),
			"that closes":            ask(start, ann+"Connection: close\r\n"),
			"with a ticket":          []byte(strings.Replace(string(ask(start, ann)), "wait=1", "wait=1&ticket=x", 1)),
			"with a written cursor":  []byte(strings.Replace(string(ask(start, ann)), "cursor=", "%63ursor=", 1)),
			"from now":               ask("now", ann),
			"from an unknown epoch":  ask("9-1", ann),
			"from the future":        ask("1-99999999", ann),
			"with a bare line feed":  []byte(strings.Replace(string(ask(start, ann)), "Host: x\r\n", "Host: x\n", 1)),
			"with a folded line":     ask(start, ann+"X-A: b\r\n c\r\n"),
			"with a space in a name": ask(start, ann+"X-A : b\r\n"),
			"with a control":         ask(start, ann+"X-A: \x01\r\n"),
			"with nothing it knows":  []byte("GET /v1/poll HTTP/1.1\r\nHost: x\r\n\r\n"),
		} {
			w := r.kept(t)
			before := handled()
			got := w.exchange(request)
			streamtest.Want(t, "the answer to a request "+name, got, first(request))
			if strings.Contains(got, " 200 ") && handled() != before+2 {
				t.Errorf("a request %s was answered by a worker", name)
			}
		}
	})
	t.Run("EndsWithItsToken", func(t *testing.T) {
		short := "Authorization: Bearer " + tokenUntil(t, time.Now().Add(2*time.Second), "ann") + "\r\n"
		r.learn(t, ask(one, short))
		w := r.kept(t)
		streamtest.Eventually(t, "the token has ended", func() bool { return strings.Contains(first(ask(one, short)), "invalid_token") })
		streamtest.Want(t, "the answer", w.exchange(ask(one, short)), first(ask(one, short)))
	})
	t.Run("IsAuthorizedAgainAfterForgetRequests", func(t *testing.T) {
		w := r.kept(t)
		r.ForgetRequests()
		before := handled()
		streamtest.Want(t, "the answer", strings.Contains(w.exchange(ask(start, ann)), "for ann"), true)
		streamtest.Want(t, "requests that a handler has answered", handled(), before+1)
		r.learn(t, ask(one, ann))
	})
	t.Run("IsAuthorizedAgainAfterALostListener", func(t *testing.T) {
		before := r.polls.Generation()
		r.exec(t, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'tidings listen'`)
		streamtest.Eventually(t, "requests are forgotten", func() bool { return r.polls.Generation() > before })
		streamtest.Want(t, "requests that are known", r.polls.Size(), 0)
		r.learn(t, ask(one, ann))
	})
	t.Run("PipelinedRequestsAreAllAnswered", func(t *testing.T) {
		w := r.kept(t)
		want := first(ask(start, ann))
		_, err := w.Write(slices.Concat(ask(start, ann), ask(start, ann), ask(start, ann)))
		streamtest.Must(t, err)
		for range 3 {
			streamtest.Want(t, "the answer", w.sorted(), want)
		}
	})
	t.Run("APartOfARequestGoesToNetHTTP", func(t *testing.T) {
		w := r.kept(t)
		before := handled()
		request := ask(start, ann)
		_, err := w.Write(request[:30])
		streamtest.Must(t, err)
		streamtest.Eventually(t, "the hub has given the connection back", func() bool { return !r.keeps(w) })
		streamtest.Want(t, "the answer", w.exchange(request[30:]), first(request))
		streamtest.Want(t, "requests that a handler has answered", handled(), before+2)
	})
	t.Run("TakesASlotWhileItWaits", func(t *testing.T) {
		w := r.kept(t)
		streamtest.Want(t, "slots between two polls", r.limits.Taken(), 0)
		_, err := w.Write(ask(end, ann))
		streamtest.Must(t, err)
		r.waiting(t, 1)
		streamtest.Want(t, "slots of a poll that waits", r.limits.Taken(), 1)
		r.publish(t, "room:1", "tick", `3`)
		w.sorted()
		streamtest.Eventually(t, "the slot is free", func() bool { return r.limits.Taken() == 0 })
	})
	t.Run("IsCounted", func(t *testing.T) {
		const series = "tidings_http_requests_total{method=GET,route=/v1/poll,status=2xx}"
		w := r.kept(t)
		before := r.scrape(t)[series]
		w.exchange(ask(start, ann))
		streamtest.Want(t, "polls that were answered", r.scrape(t)[series], before+1)
	})
}

// Connections that the hub keeps between two polls count for the limit of their address, like
// those that wait in net/http.
func TestKeptConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) { s.api.Limits.PerAddress = 16 })
	var all []net.Conn
	for range 16 {
		w := r.dial(t)
		w.poll()
		all = append(all, w)
	}
	w := r.dial(t)
	streamtest.Eventually(t, "one was closed", func() bool {
		w.poll()
		return r.scrape(t)["tidings_refusals_total{reason=address_connections}"] > 0
	})
	if _, err := all[0].Read(make([]byte, 1)); err == nil {
		t.Error("the connection that has waited longest is open")
	}
	w.ask("GET /healthz HTTP/1.1")
	w.answer(http.StatusOK)
}
