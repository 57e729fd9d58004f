package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

// Origins is the set of origins whose pages may call us from a browser, in addition
// to our own origin. It is immutable.
type Origins struct{ allowed map[string]bool }

// defaultPorts are the ports that browsers leave out of an origin.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// ParseOrigins reads exact origins, scheme://host[:port]. Wildcards are refused: the
// cookies of its visitors count from each allowed origin.
func ParseOrigins(list []string) (Origins, error) {
	allowed := make(map[string]bool, len(list))
	for _, s := range list {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Contains(u.Host, "*") ||
			s != u.Scheme+"://"+u.Host {
			return Origins{}, fmt.Errorf("allowed origin %q is not scheme://host[:port]", s)
		}
		if u.Port() == defaultPorts[u.Scheme] || strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) {
			return Origins{}, fmt.Errorf("allowed origin %q is not as browsers send it: without the default port, the host in ASCII", s)
		}
		allowed[strings.ToLower(s)] = true
	}
	return Origins{allowed}, nil
}

// Allows reports whether the origin is in the set. Browsers write origins in lower
// case (RFC 6454 section 4), so the comparison is exact.
func (o Origins) Allows(origin string) bool { return o.allowed[origin] }

// Foreign reports whether the request comes from a page that may not call us: it has
// an Origin that is neither allowed nor our own.
func (o Origins) Foreign(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin != "" && !o.Allows(origin) && !ownOrigin(origin, r)
}

// TrustsCookie reports whether the request's cookies were meant for us: the page has
// an allowed origin, or the browser says that it has ours (Sec-Fetch-Site, which a
// page cannot set).
func (o Origins) TrustsCookie(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	own := r.Header.Get("Sec-Fetch-Site") == "same-origin" && (origin == "" || ownOrigin(origin, r))
	return own || o.Allows(origin)
}

// ownOrigin reports whether the origin has the host that the request was sent to. It
// accepts both schemes: behind a proxy that ends TLS, ours is not known.
func ownOrigin(origin string, r *http.Request) bool {
	return r.Host != "" && (origin == "https://"+r.Host || origin == "http://"+r.Host)
}
