package limit

import (
	"net/http"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestProxies_FindTheClient(t *testing.T) {
	t.Parallel()
	p, err := NewProxies([]string{"10.0.0.0/8", "192.0.2.1", "fd00::/8", "::ffff:172.16.0.0/108"})
	streamtest.Must(t, err)
	for _, c := range []struct {
		peer       string
		forwarded  []string
		client     string
		unreadable string
	}{
		{"203.0.113.1:5", nil, "203.0.113.1", ""},
		{"203.0.113.1:5", []string{"198.51.100.1"}, "203.0.113.1", ""}, // no proxy of ours
		{"10.1.1.1:5", nil, "10.1.1.1", ""},
		{"10.1.1.1:5", []string{"203.0.113.7"}, "203.0.113.7", ""},
		{"10.1.1.1:5", []string{"203.0.113.7:4711"}, "203.0.113.7", ""},
		{"10.1.1.1:5", []string{"[2001:db8::1]:4711"}, "2001:db8::1", ""},
		{"10.1.1.1:5", []string{"[2001:db8::1]"}, "2001:db8::1", ""},
		{"10.1.1.1:5", []string{`"[2001:db8::1]:4711"`}, "2001:db8::1", ""},
		{"10.1.1.1:5", []string{"2001:db8::1"}, "2001:db8::1", ""},
		{"10.1.1.1:5", []string{"fe80::1%eth0"}, "fe80::1", ""},
		{"10.1.1.1:5", []string{"::ffff:203.0.113.7"}, "203.0.113.7", ""},
		{"[::ffff:10.1.1.1]:5", []string{"203.0.113.7"}, "203.0.113.7", ""},
		{"172.17.0.1:5", []string{"203.0.113.7"}, "203.0.113.7", ""},
		{"[::ffff:172.31.0.1]:5", []string{"203.0.113.7"}, "203.0.113.7", ""},
		{"172.32.0.1:5", []string{"203.0.113.7"}, "172.32.0.1", ""},
		{"[fd00::5]:5", []string{"203.0.113.7"}, "203.0.113.7", ""},
		{"10.1.1.1:5", []string{"198.51.100.9, 203.0.113.7:1, 10.2.2.2:99 ,192.0.2.1"}, "203.0.113.7", ""},
		{"10.1.1.1:5", []string{"198.51.100.9", "203.0.113.7", "10.2.2.2"}, "203.0.113.7", ""},
		{"10.1.1.1:5", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3", ""},
		{"10.1.1.1:5", []string{"203.0.113.7,,"}, "203.0.113.7", ""},
		{"10.1.1.1:5", []string{"unknown"}, "10.1.1.1", "unknown"},
		{"10.1.1.1:5", []string{"203.0.113.7, _hidden, 10.2.2.2"}, "10.2.2.2", "_hidden"},
		{"10.1.1.1:5", []string{"rubbish, 203.0.113.7"}, "203.0.113.7", ""}, // the client wrote it
		{"@", []string{"203.0.113.7"}, "", ""},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		client, unreadable := p.Client(r)
		streamtest.Want(t, "client and what cannot be read", [2]string{client, unreadable}, [2]string{c.client, c.unreadable})
	}
	for _, text := range []string{"", "proxy.example", "10.0.0.0/33", "10.0.0.1:80"} {
		if _, err := NewProxies([]string{text}); err == nil {
			t.Errorf("proxy %q is accepted", text)
		}
	}
}
