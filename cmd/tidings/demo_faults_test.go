package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A spoiler is a proxy between the demo page and a server that spoils the answer to one
// write.
type spoiler struct {
	writes atomic.Int64 // requests that reached the server

	mu   sync.Mutex // guards next
	next string     // what happens to the next write; see spoil
	held chan struct{}
}

// spoil says what happens to the next write: "lost" closes the connection instead of an
// answer, "cut" after a part of it, "slow" sends it when release is called; a status is
// answered in place of the server.
func (s *spoiler) spoil(how string) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.held = how, make(chan struct{})
	return sync.OnceFunc(func() { close(s.held) })
}

func (s *spoiler) take() (how string, held chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how, s.next = s.next, ""
	return how, s.held
}

// start returns the URL of the proxy in front of the server.
func (s *spoiler) start(t *testing.T, server string) string {
	t.Helper()
	target, err := url.Parse(server)
	streamtest.Must(t, err)
	pass := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		FlushInterval: -1,
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		write := r.Method != http.MethodGet && (strings.HasSuffix(path, "/like") || strings.Contains(path, "/comments"))
		how, held := "", (chan struct{})(nil)
		if write {
			how, held = s.take()
		}
		switch how {
		case "":
			if write {
				s.writes.Add(1)
			}
			pass.ServeHTTP(w, r)
			return
		case "401", "429", "503":
			var status int
			fmt.Sscan(how, &status)
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"code":"spoiled","detail":"spoiled %d"}`, status)
			return
		}
		s.writes.Add(1)
		recorder := httptest.NewRecorder()
		pass.ServeHTTP(recorder, r)
		answer := recorder.Result()
		body, _ := io.ReadAll(answer.Body)
		switch how {
		case "slow":
			<-held
			for name, values := range answer.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(answer.StatusCode)
			w.Write(body)
		case "cut":
			w.Header().Set("Content-Length", fmt.Sprint(len(body)+1))
			w.WriteHeader(answer.StatusCode)
			w.Write(body[:len(body)/2])
			fallthrough
		default:
			panic(http.ErrAbortHandler)
		}
	}))
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that are closed on purpose
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// A comment whose answer is spoiled is written once, and both users see it.
func TestDemoPage_SurvivesSpoiledAnswers(t *testing.T) {
	t.Parallel()
	s, srv := demoSite(t)
	x := &spoiler{}
	address := x.start(t, srv.url) // closed after the page, whose streams it waits for
	p := openDemo(t, address).forgive(`Failed to load resource`)
	for _, how := range []string{"lost", "cut", "slow", "429", "503"} {
		text := "a comment whose answer is " + how
		release := x.spoil(how)
		p.run(fmt.Sprintf(`send('ben', %q)`, text))
		release()
		p.await("Ben sees it: "+how, fmt.Sprintf(`(pane('ben').querySelector('[data-act=retry]')?.click(), texts('ben').includes(%q) && !pane('ben').querySelector('.pending, .failed'))`, text))
		p.await("Ann sees it: "+how, fmt.Sprintf(`texts('ann').includes(%q)`, text))
		streamtest.Want(t, "comments in the table: "+how, value[int](t, s, `select count(*) from tidings.comments where body = $1`, text), 1)
	}
}
