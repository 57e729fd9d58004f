package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A page of an allowed origin opens streams with a token and a cursor as Last-Event-ID. The browser
// asks by one preflight for all of them, and lets the page read the header fields of answers. So
// does the client, which misses nothing when its connections are cut.
func TestBrowser_OnePreflightForAllStreams(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	s := newSite(t)
	srv := s.start(t, func(i *instance) { i.AllowedOrigins = []string{f.url} })
	target, err := url.Parse(srv.url)
	streamtest.Must(t, err)
	var preflights, streams, unsigned atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	counting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			preflights.Add(1)
		} else {
			streams.Add(1)
			if r.Header.Get("Authorization") == "" || r.Header.Get("Cookie") != "" || r.URL.Query().Has("cursor") {
				unsigned.Add(1)
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { counting.CloseClientConnections(); counting.Close() })
	p := newProfile(t).open(f.page(""))
	got := eval[string](p, fmt.Sprintf(`(async () => {
		const headers = { Authorization: 'Bearer %s' };
		let request;
		for (let i = 0; i < 4; i++) {
			const end = new AbortController();
			const answer = await fetch('%s/v1/events?topic=post:1&topic=me', { headers, signal: end.signal });
			request = answer.headers.get('X-Request-Id');
			const { value } = await answer.body.getReader().read();
			headers['Last-Event-ID'] = new TextDecoder().decode(value).match(/id: (\S+)/)[1];
			end.abort();
		}
		return request ? 'read' : 'hidden';
	})()`, token(t, auth.Identity{Subject: "ann", Expires: time.Now().Add(time.Hour)}), counting.URL))
	streamtest.Want(t, "the header fields", got, "read")
	streamtest.Want(t, "streams", streams.Load(), 4)
	if n := preflights.Load(); n > 2 { // the first stream has no Last-Event-ID
		t.Errorf("%d preflights", n)
	}

	f.passTo(t, srv) // which has the script
	preflights.Store(0)
	streams.Store(0)
	q := newProfile(t).open(f.page(reader(fmt.Sprintf(`url: '%s', topics: ['post:1', 'me'], token: '%s'`, counting.URL,
		token(t, auth.Identity{Subject: "ann", Expires: time.Now().Add(time.Hour)}))))).forgive(`net::ERR_`)
	q.await("the client is live", `window.t?.state === 'live'`)
	for n := range 3 {
		s.number(t, "user:ann", n+1)
		q.inOrder(n + 1)
		counting.CloseClientConnections()
	}
	s.number(t, "post:1", 4)
	q.inOrder(4)
	streamtest.Want(t, "the user", eval[string](q, `t.user`), "ann")
	if n := preflights.Load(); n > 2 {
		t.Errorf("%d preflights for %d streams of the client", n, streams.Load())
	}
	if n := unsigned.Load(); n > 0 {
		t.Errorf("%d requests have no token, a cookie, or the cursor in their address", n)
	}
}
