package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Over plain HTTP a page has neither locks nor crypto.randomUUID: it has a connection of its own,
// which it closes while it is hidden. It works all the same.
func TestBrowserClient_PlainHTTP(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := newFront(t, s.start(t))
	_, port, _ := strings.Cut(strings.TrimPrefix(f.url, "http://"), ":")
	address := strings.Replace(f.page(reader(`topics: ['post:1']`)), "127.0.0.1:"+port, "plain.test:"+port, 1)
	p := newProfile(t).open(address)
	streamtest.Want(t, "whether the page has locks", eval[bool](p, `isSecureContext || Boolean(navigator.locks)`), false)
	p.await("the stream is live", `window.t?.state === 'live'`)
	s.number(t, "post:1", 1)
	p.await("the event is there", `numbers.length === 1`)
	visibility := func(state string) {
		p.run(fmt.Sprintf(`Object.defineProperty(document, 'visibilityState', { value: '%s', configurable: true });
			document.dispatchEvent(new Event('visibilitychange'))`, state))
	}
	visibility("hidden")
	streamtest.Eventually(t, "the connection of the hidden page is closed", func() bool { return f.streams.Load() == 0 })
	s.number(t, "post:1", 2)
	visibility("visible")
	p.inOrder(2)
}

// A sandboxed frame has locks and channels that fail. It has a connection of its own, if its
// server lets it in, and throws nothing.
func clientWorksInASandboxedFrame(t *testing.T, _ *site, srv *server) {
	f := newFront(t, srv)
	stream := func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Access-Control-Allow-Origin", "null")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: stream.ready\ndata: {\"cursor\":\"1-1\",\"heartbeat\":15,\"user\":null}\n\nevent: number\ndata: 7\ntopic: post:1\nid: 1-2\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	f.instead.Store((*func(http.ResponseWriter, *http.Request) bool)(&stream))
	inner := `import { Tidings } from '` + f.url + `/tidings.js'; const t = new Tidings({ topics: ['post:1'] });
		t.on('number', ({ data }) => parent.postMessage([data, t.state], '*'));`
	p := newProfile(t).open(f.page(`<script>addEventListener('message', ({ data }) => { window.got = data })</script>
		<iframe sandbox="allow-scripts" srcdoc="<script type=module>` + strings.ReplaceAll(inner, `"`, "&quot;") + `</script>"></iframe>`))
	p.await("the frame has the event", `window.got?.join() === '7,live'`)
}

// The client works behind nginx, over HTTP/2 too, and behind HAProxy.
func TestBrowserClient_BehindProxies(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]string{"one-hop": "nginx", "http2": "nginx over TLS", "haproxy": "haproxy"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			f := newFront(t, s.start(t, func(i *instance) { i.TrustedProxies = []string{"127.0.0.1"} }))
			path := strings.TrimPrefix(f.page(reader(`topics: ['post:1']`)), f.url)
			proxy := startProxy(t, proxyKinds[kind], pageConfig(t, name), strings.TrimPrefix(f.url, "http://"))
			p := newProfile(t).open(proxy.url() + path)
			for n := range 3 {
				p.await("the stream is live", `window.t?.state === 'live'`)
				s.number(t, "post:1", n+1)
				p.inOrder(n + 1)
			}
			protocol := eval[string](p, `performance.getEntriesByType('navigation')[0].nextHopProtocol`)
			streamtest.Want(t, "protocol", protocol, map[bool]string{true: "h2", false: "http/1.1"}[name == "http2"])
		})
	}
}
