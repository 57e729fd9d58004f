package repeat

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

var peer = netip.MustParseAddr("192.0.2.1")

// get is a request with a cursor in its query.
func get(query, headers string) string {
	return "GET /v1/poll?" + query + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n"
}

func TestScan(t *testing.T) {
	t.Parallel()
	for _, request := range []string{
		get("cursor=1-5", ""),
		get("topic=post%3A42&cursor=1-5&wait=25", "Accept: */*\r\n"),
		get("topic=me", "Last-Event-ID: 1-5\r\n"),
		get("topic=me", "last-event-id:\t1-5 \r\n"),
		get("cursor=1-5", "Connection: Keep-Alive\r\nCookie: a=b\r\nX-Request-Id: 7\r\ntraceparent: 00-1-2-01\r\ntracestate: a=1, b=2\r\n"),
		get("cursor=1-5&&x&=", "Empty:\r\n"),
	} {
		head, ok := Scan([]byte(request))
		streamtest.Want(t, fmt.Sprintf("%q is understood", request), ok, true)
		streamtest.Want(t, "the cursor", head.Cursor, stream.Cursor{Epoch: 1, Position: 5})
	}
	for _, request := range []string{
		"", "\r\n\r\n", "GET /v1/poll?cursor=1-5 HTTP/1.1\r\n",
		get("", ""), get("cursor=now", ""), get("cursor=1-05", ""), get("cursor=0-5", ""), get("cursor=-1-5", ""), get("cursor=1-5x", ""),
		get("cursor=1-99999999999999999999", ""), get("cursor=1-5&cursor=1-5", ""), get("cursor=1-5", "Last-Event-ID: 1-5\r\n"),
		get("topic=me", "Last-Event-ID: 1-5\r\nLast-Event-ID: 1-5\r\n"), get("topic=me", "Last-Event-ID:\r\n"), get("%63ursor=1-5", ""),
		get("cursor=1-5&ticket=x", ""), get("cursor=1-5&a=\xff", ""), get("cursor=1-5&a=b c", ""), get("cursor=1%2D5", ""),
		get("cursor=1-5", "Content-Length: 0\r\n"), get("cursor=1-5", "Transfer-Encoding: chunked\r\n"), get("cursor=1-5", "Expect: 100-continue\r\n"),
		get("cursor=1-5", "Connection: close\r\n"), get("cursor=1-5", "Connection: Upgrade\r\n"), get("cursor=1-5", "Connection: keep-alive, close\r\n"),
		get("cursor=1-5", "Upgrade: h2c\r\n"), get("cursor=1-5", "Trailer: a\r\n"),
		get("cursor=1-5", " folded\r\n"), get("cursor=1-5", "A : b\r\n"), get("cursor=1-5", ": b\r\n"), get("cursor=1-5", "A\r\n"),
		get("cursor=1-5", "A: b\nB: c\r\n"), get("cursor=1-5", "A: b\rB: c\r\n"), get("cursor=1-5", "A: \x00\r\n"), get("cursor=1-5", "A\x80: b\r\n"),
		get("cursor=1-5", "X-Request-Id: \x80\r\n"), get("cursor=1-5", strings.Repeat("X-Request-Id: 1\r\n", mostCuts)),
		get("cursor=1-5", "") + "G", get("cursor=1-5", "") + get("cursor=1-5", ""), get("cursor=1-5", "\r\n"),
		"\r\n" + get("cursor=1-5", ""), " " + get("cursor=1-5", ""),
		strings.Replace(get("cursor=1-5", ""), "GET", "get", 1), strings.Replace(get("cursor=1-5", ""), "GET", "HEAD", 1),
		strings.Replace(get("cursor=1-5", ""), "HTTP/1.1", "HTTP/1.0", 1), strings.Replace(get("cursor=1-5", ""), " HTTP", "  HTTP", 1),
		strings.Replace(get("cursor=1-5", ""), "/v1/poll", "//v1/poll", 1), strings.Replace(get("cursor=1-5", ""), "/v1/poll", "http://x/v1/poll", 1),
		strings.Replace(get("cursor=1-5", ""), "/v1/poll", "/v1/events", 1),
	} {
		_, ok := Scan([]byte(request))
		streamtest.Want(t, fmt.Sprintf("%q is understood", request), ok, false)
	}
}

// A key stands for the address and for each byte of a head but the values that are left out.
func TestKey(t *testing.T) {
	t.Parallel()
	table := NewTable[int]()
	key := func(address netip.Addr, request string) Key {
		head, ok := Scan([]byte(request))
		streamtest.Want(t, fmt.Sprintf("%q is understood", request), ok, true)
		return table.Key(address, head)
	}
	request := get("topic=me&cursor=1-5", "Authorization: Bearer a\r\nX-Request-Id: 1\r\n")
	first := key(peer, request)
	for _, same := range []string{
		request, strings.Replace(request, "1-5", "7-12345", 1), strings.Replace(request, "Id: 1", "Id: another one", 1),
		strings.Replace(request, "Id: 1", "Id: ", 1),
	} {
		streamtest.Want(t, same+" has the same key", key(peer, same) == first, true)
	}
	for _, other := range []string{
		strings.Replace(request, "topic=me", "topic=you", 1), strings.Replace(request, "Bearer a", "Bearer b", 1),
		strings.Replace(request, "Authorization", "authorization", 1), strings.Replace(request, "Host: x", "Host: y", 1),
		strings.Replace(request, "cursor=1-5", "cursor=1-5&a", 1), strings.Replace(request, "X-Request-Id: 1", "X-Request-Ip: 1", 1),
		strings.Replace(request, "X-Request-Id: 1", "X-Request-Id:  1", 1), strings.Replace(request, "X-Request-Id: 1\r\n", "", 1),
		strings.Replace(request, "\r\nX-R", "\r\nOrigin: https://a.example\r\nX-R", 1), get("topic=me", "Authorization: Bearer a\r\nX-Request-Id: 1\r\nLast-Event-ID: 1-5\r\n"),
	} {
		streamtest.Want(t, other+" has another key", key(peer, other) != first, true)
	}
	for _, address := range []string{"192.0.2.2", "2001:db8::1", "fe80::1", "fe80::1%eth0"} {
		streamtest.Want(t, address+" has another key", key(netip.MustParseAddr(address), request) != first, true)
	}
	streamtest.Want(t, "another table has other keys", NewTable[int]().Key(peer, must(Scan([]byte(request)))) != first, true)
}

func must(h Head, _ bool) Head { return h }

// FuzzScan compares Scan with net/http: what Scan understands is one request without a body
// for net/http, too, and values that the key leaves out change nothing else.
func FuzzScan(f *testing.F) {
	f.Add([]byte(get("topic=a&cursor=1-5", "")), "x", "3-7")
	f.Add([]byte(get("topic=a", "Last-Event-ID: 1-5\r\nConnection: keep-alive\r\nX-Request-Id: 7\r\ntracestate: a=1, b\r\n")), "y z", "1-0")
	f.Add([]byte(get("cursor=1-5&Cursor=1&%63=1&;", "Content-Length: 0\r\n")), "", "1-1")
	table := NewTable[int]()
	f.Fuzz(func(t *testing.T, request []byte, id, cursor string) {
		head, ok := Scan(request)
		if _, err := stream.ParseCursor(cursor); !ok || err != nil || strings.TrimSpace(id) != id || !all([]byte(id), printable) {
			return
		}
		other := head.with(id, cursor)
		again, ok := Scan(other)
		if !ok || table.Key(peer, head) != table.Key(peer, again) {
			t.Fatalf("%q and %q have different keys", request, other)
		}
		one, err := read(request)
		if err != nil {
			return // no request that net/http refuses is remembered
		}
		if one.Method != http.MethodGet || one.URL.Path != "/v1/poll" || one.Proto != "HTTP/1.1" || one.ContentLength != 0 || one.Close || len(one.TransferEncoding) > 0 {
			t.Fatalf("%q is %+v", request, one)
		}
		two, err := read(other)
		if err != nil {
			t.Fatalf("net/http reads %q, and of %q it says %v", request, other, err)
		}
		if plain(one) != plain(two) {
			t.Fatalf("%q and %q differ in more than what is left out:\n%s\n%s", request, other, plain(one), plain(two))
		}
	})
}

// with replaces the values that are left out of the key: those of ids by id, and the cursor.
func (h Head) with(id, cursor string) []byte {
	var b []byte
	at := 0
	for _, cut := range h.cuts[:h.n] {
		b = append(b, h.bytes[at:cut.from]...)
		if string(h.bytes[cut.from:cut.to]) == h.Cursor.String() {
			b = append(b, cursor...)
		} else {
			b = append(b, id...)
		}
		at = cut.to
	}
	return append(b, h.bytes[at:]...)
}

// read reads exactly one request as net/http does.
func read(request []byte) (*http.Request, error) {
	in := bufio.NewReader(bytes.NewReader(request))
	r, err := http.ReadRequest(in)
	if err == nil && in.Buffered() > 0 {
		err = fmt.Errorf("%d bytes are left", in.Buffered())
	}
	return r, err
}

// plain is a request without the values that the key leaves out.
func plain(r *http.Request) string {
	var pairs []string
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if name, _, _ := strings.Cut(pair, "="); name == "cursor" {
			pair = name
		}
		pairs = append(pairs, pair)
	}
	header := r.Header.Clone()
	for _, name := range []string{"Last-Event-Id", "X-Request-Id", "Traceparent", "Tracestate"} {
		for i := range header[name] {
			header[name][i] = ""
		}
	}
	return fmt.Sprintf("%s %q %q %v", r.Host, r.URL.Path, pairs, header)
}

func TestTable(t *testing.T) {
	t.Parallel()
	key := func(n byte) Key { return Key{n} }
	table := NewTable[int]()
	table.Add(key(1), 10, 0, table.Generation())
	got, ok := table.Get(key(1))
	streamtest.Want(t, "the value", []any{got, ok}, []any{10, true})
	_, ok = table.Get(key(2))
	streamtest.Want(t, "an unknown key is found", ok, false)

	before := table.Generation()
	table.Forget()
	_, ok = table.Get(key(1))
	streamtest.Want(t, "a forgotten key is found", ok, false)
	table.Add(key(1), 10, 0, before)
	_, ok = table.Get(key(1))
	streamtest.Want(t, "a value from before Forget is found", ok, false)

	const large = mostBytes / 4
	for n := range byte(100) {
		table.Add(key(n), int(n), large, table.Generation())
		_, ok := table.Get(key(0))
		streamtest.Want(t, "a key in use is found", ok, true)
		if size := table.Size(); size > 8 {
			t.Fatalf("the table has %d values of %d bytes", size, large)
		}
	}
	_, ok = table.Get(key(50))
	streamtest.Want(t, "a key that was not used is found", ok, false)
}
