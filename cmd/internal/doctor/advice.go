package doctor

import (
	"net/http"
	"slices"
	"strings"
)

// A fault is something that proxies do.
type fault int

const (
	buffered      fault = iota // parts of a stream are held back
	compressed                 // a stream is compressed
	delayed                    // each event is a fraction of a second late
	cut                        // a quiet connection is closed too early
	hostRewritten              // the server gets another Host than the browser used
	addressHidden              // there is no X-Forwarded-For
)

// The proxies that the advice knows, as the report names them.
const (
	nginx    = "nginx"
	haproxy  = "HAProxy"
	caddy    = "Caddy"
	apache   = "Apache"
	varnish  = "Varnish"
	lighttpd = "lighttpd"
	squid    = "Squid"
	h2o      = "h2o"
)

// advice has the line that mends a fault, for each proxy that can have it. Each line is
// part of a configuration in docs/proxies.md.
var advice = map[fault][]Line{
	buffered: {
		{nginx, "proxy_buffering off;"},
		{apache, "flushpackets=on"},
		{varnish, "return (pipe);"},
		{lighttpd, "server.stream-response-body = 1"},
	},
	delayed: {
		{haproxy, "option http-no-delay"},
		{nginx, "proxy_buffering off;"},
		{apache, "flushpackets=on"},
		{lighttpd, "server.stream-response-body = 1"},
	},
	cut: {
		{nginx, "proxy_read_timeout 60s;"},
		{haproxy, "timeout client 60s"},
		{haproxy, "timeout server 60s"},
		{caddy, "response_header_timeout 60s"},
		{apache, "timeout=60"},
		{varnish, ".between_bytes_timeout = 60s;"},
		{squid, "read_timeout 60 seconds"},
		{h2o, "proxy.timeout.io: 60000"},
	},
	hostRewritten: {
		{nginx, "proxy_set_header Host $http_host;"},
		{apache, "ProxyPreserveHost On"},
		{squid, "http_port 80 accel vhost"},
		{h2o, "proxy.preserve-host: ON"},
	},
	addressHidden: {
		{nginx, "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"},
		{haproxy, "option forwardfor"},
		{squid, "forwarded_for on"},
	},
	compressed: {
		{"each proxy", "leave text/event-stream out of the types that are compressed"},
	},
}

// fix returns the lines that mend a fault: those for the proxies that name themselves, or
// those for all proxies if there are none.
func (x *examination) fix(f fault) []Line {
	var lines []Line
	for _, line := range advice[f] {
		if slices.Contains(x.proxies, line.For) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return advice[f]
	}
	return lines
}

// signatures are words in Server, Via or X-Varnish of an answer, in lower case. HAProxy
// does not name itself.
var signatures = []struct{ word, proxy string }{
	{"nginx", nginx}, {"openresty", nginx}, {"haproxy", haproxy}, {"caddy", caddy}, {"apache", apache},
	{"varnish", varnish}, {"lighttpd", lighttpd}, {"squid", squid}, {"h2o", h2o},
}

// recognize returns the proxies that an answer names.
func recognize(header http.Header) []string {
	said := strings.ToLower(strings.Join(slices.Concat(header["Server"], header["Via"]), " "))
	found := []string{}
	for _, s := range signatures {
		if strings.Contains(said, s.word) && !slices.Contains(found, s.proxy) {
			found = append(found, s.proxy)
		}
	}
	return found
}
