package api

import (
	"encoding/json"
	flags "flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

var alternations = flags.Int64("alternations", 2_000, "number of requests of TestPollsAlternate")

// shortToken is how long the tokens of some users last: the least whole number of seconds after
// which each of them has been used.
const shortToken = 2 * time.Second

// A pooled is a user whose requests a pool of connections carries, with those of others.
type pooled struct {
	name   string
	head   string // of a request, without cursor
	expect string // in each answer; "": it depends on the time
}

// Many users poll over few connections, as through the pool of a proxy. Their requests
// alternate between those that a worker answers and all others: unknown ones, pipelined ones,
// garbage, half-closed connections, other cookies, and tokens that end meanwhile. Each user
// gets the own answers only, and nothing is left at the end.
func TestPollsAlternate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	start := r.head(t)
	const users, conns = 50, 16
	pool := make([]pooled, users)
	for i := range pool {
		pool[i] = r.pooled(t, i)
		r.publish(t, "user:"+pool[i].name, "tick", `"for `+pool[i].name+`"`)
	}
	end := r.head(t)
	stop := make(chan struct{})
	var ticking, polling sync.WaitGroup
	ticking.Go(func() { // ends the polls that wait
		tick, err := stream.ParseTopic("room:tick")
		streamtest.Must(t, err)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				r.hub.Broadcast(stream.Event{Topic: tick, Name: stream.TypingName, Data: stream.MustData(1)})
			}
		}
	})
	before := r.handled.Load()
	var left, sent atomic.Int64
	left.Store(*alternations)
	ended := time.Now().Add(shortToken) // the tokens of some users
	for range conns {
		polling.Go(func() {
			a := &alternator{rig: r, t: t, cursors: []string{start, end}}
			for (left.Add(-1) >= 0 || time.Now().Before(ended)) && !t.Failed() {
				sent.Add(1)
				a.step(pool[rand.IntN(users)])
			}
			a.close()
		})
	}
	polling.Wait()
	close(stop)
	ticking.Wait()
	r.idle(t)
	streamtest.Eventually(t, "no slot is taken", func() bool { return r.limits.Taken() == 0 })
	streamtest.Eventually(t, "no connection is kept", func() bool { return len(r.conns.Kept()) == 0 })
	held, why := r.answers.TryReserve(netip.MustParseAddr("127.0.0.1"), 8<<20)
	streamtest.Want(t, "what keeps an address from all of its memory", why, limit.Refusal(""))
	held.Close()
	if handled := r.handled.Load() - before; runtime.GOOS == "linux" && handled > sent.Load()*3/4 {
		t.Errorf("handlers answered %d of %d requests", handled, sent.Load())
	}
}

// pooled returns a user. Every second one has a cookie instead of a bearer token, and of every
// fifth one the token ends after shortToken.
func (r *rig) pooled(t *testing.T, i int) pooled {
	t.Helper()
	name := fmt.Sprintf("user%d", i)
	expires := time.Now().Add(time.Hour)
	u := pooled{name: name, expect: fmt.Sprintf(`,"user":%q}`, name)}
	if i%5 == 0 {
		expires, u.expect = time.Now().Add(shortToken), ""
	}
	credential := "Authorization: Bearer " + tokenUntil(t, expires, name)
	if i%2 == 0 {
		credential = "Sec-Fetch-Site: same-origin\r\nCookie: other=1; tidings_token=" + tokenUntil(t, expires, name)
	}
	u.head = "GET /v1/poll?topic=me&topic=room:tick&cursor=%s HTTP/1.1\r\nHost: x\r\nX-Request-Id: %d\r\n" + credential + "\r\n%s\r\n"
	return u
}

// An alternator sends requests over one connection, and opens another one when it is closed.
type alternator struct {
	*rig
	t       *testing.T
	cursors []string // before and after the events of the users
	w       *wire
}

func (a *alternator) close() {
	if a.w != nil {
		a.w.Close()
		a.w = nil
	}
}

// step sends one request of a user, or disturbs the connection.
func (a *alternator) step(u pooled) {
	if a.w == nil {
		a.w = a.dial(a.t)
	}
	ask := func(more string) string {
		return fmt.Sprintf(u.head, a.cursors[rand.IntN(2)], rand.IntN(1000), more)
	}
	switch rand.IntN(40) {
	case 0: // an unknown request
		a.send(u, ask(fmt.Sprintf("X-A: %d\r\n", rand.IntN(1000))), 1)
	case 1: // two requests at once
		a.send(u, ask("")+ask(""), 2)
	case 2: // in two parts
		request := ask("")
		at := 1 + rand.IntN(len(request)-1)
		if a.write(request[:at]) {
			a.send(u, request[at:], 1)
		}
	case 3: // another route
		a.send(pooled{}, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 1)
	case 4: // garbage
		a.write([]string{"\r\n\r\n", "GET", "\x16\x03\x01", "POST /v1/poll HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n"}[rand.IntN(5)])
		a.close()
	case 5: // the client leaves while it waits
		a.write(ask(""))
		a.close()
	case 6: // the client closes its half
		if a.write(ask("")) {
			_ = a.w.CloseWrite()
			a.receive(pooled{})
		}
		a.close()
	default:
		a.send(u, ask(""), 1)
	}
}

func (a *alternator) write(text string) bool {
	_, err := a.w.Write([]byte(text))
	if err != nil {
		a.close()
	}
	return err == nil
}

func (a *alternator) send(u pooled, text string, answers int) {
	if !a.write(text) {
		return
	}
	for range answers {
		if !a.receive(u) {
			a.close()
			return
		}
	}
}

// receive reads an answer and checks that it is the user's. It reports whether the connection
// is still open.
func (a *alternator) receive(u pooled) bool {
	res, err := http.ReadResponse(a.w.r, nil)
	if err != nil {
		return false // closed while the answer was due
	}
	var got struct {
		Events []struct {
			Event, Topic string
			Data         json.RawMessage
		}
		User *string
	}
	if json.NewDecoder(res.Body).Decode(&got) != nil && u.name != "" {
		return false
	}
	for _, e := range got.Events {
		if e.Event == "tick" && (e.Topic != "user:"+u.name || string(e.Data) != `"for `+u.name+`"`) && u.name != "" {
			a.t.Errorf("%s got %s of %s", u.name, e.Data, e.Topic)
		}
	}
	if u.name != "" && !slices.Contains([]int{200, 401, 503}, res.StatusCode) || u.expect != "" && res.StatusCode == 401 {
		a.t.Errorf("%s got the status %d", u.name, res.StatusCode)
	}
	if res.StatusCode == 200 && u.name != "" && (got.User == nil || *got.User != u.name) {
		a.t.Errorf("%s got the answer of %v", u.name, got.User)
	}
	return !res.Close
}

// FuzzRepeatedPoll compares the answer of net/http to any request for a poll with the answer
// after the server has read the request before.
func FuzzRepeatedPoll(f *testing.F) {
	r := newRig(f, func(s *setup) {
		s.api.Limits.NoRates = true
		s.http = func(srv *http.Server) {
			srv.ReadHeaderTimeout, srv.ReadTimeout = 300*time.Millisecond, 300*time.Millisecond
		}
	})
	cursors := []string{r.head(f)}
	for i := range 3 {
		r.publish(f, "room:1", "tick", fmt.Sprint(i))
		cursors = append(cursors, r.head(f))
	}
	f.Add("", "", byte(0))
	f.Add("&limit=1", "Authorization: Bearer x\r\n", byte(1))
	f.Add("&presence=1&ticket=", "Connection: keep-alive\r\nOrigin: https://app.example\r\n", byte(2))
	f.Add("&cursor=1-1", "Last-Event-ID: 1-1\r\nX-Request-Id: 1\r\n", byte(3))
	f.Add("&topic=me#a", "Prefer: wait=1\r\nContent-Length: 3\r\n\r\nabc", byte(4))
	f.Add("&topic=%zz;", "A : b\r\n c\r\nTransfer-Encoding: chunked\r\n", byte(5))
	f.Fuzz(func(t *testing.T, query, headers string, at byte) {
		request := []byte("GET /v1/poll?topic=room:1&wait=0" + query + "&cursor=" + cursors[int(at)%len(cursors)] + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n")
		first := r.dial(t)
		want := first.exchange(request)
		first.Close()
		for range 2 { // read by a worker: not known, then known if that can be
			w := r.kept(t)
			if got := w.exchange(request); got != want {
				t.Fatalf("to %q, net/http answers %s\nand after a poll it is %s", request, want, got)
			}
			w.Close()
		}
	})
}
