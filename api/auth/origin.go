package auth

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

// An OriginConfig sets which pages may call us from a browser.
type OriginConfig struct {
	// Allowed are exact origins, scheme://host[:port], in addition to our own. There are no
	// wildcards: the cookies of its visitors count from each allowed origin.
	Allowed []string
	// PublicURL is the address that browsers see, scheme://host[:port][/path]. "" takes the
	// host of each request as our own.
	PublicURL string
	// Proxied reports whether a request comes from a trusted proxy, whose X-Forwarded-Host
	// and -Proto count. Nil: none does.
	Proxied func(*http.Request) bool
}

// Origins decides which pages may call us. It is immutable.
type Origins struct {
	allowed map[string]bool
	public  string // our own origin; "" if it is not configured
	proxied func(*http.Request) bool
}

// defaultPorts are the ports that browsers leave out of an origin.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// NewOrigins checks the configuration.
func NewOrigins(cfg OriginConfig) (Origins, error) {
	allowed := make(map[string]bool, len(cfg.Allowed))
	for _, s := range cfg.Allowed {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Contains(u.Host, "*") ||
			s != u.Scheme+"://"+u.Host {
			return Origins{}, fmt.Errorf("allowed origin %q is not scheme://host[:port]", s)
		}
		if u.Port() == defaultPorts[u.Scheme] || !inASCII(s) {
			return Origins{}, fmt.Errorf("allowed origin %q is not as browsers send it: without the default port, the host in ASCII", s)
		}
		allowed[strings.ToLower(s)] = true
	}
	public := ""
	if cfg.PublicURL != "" {
		if public = originOf(cfg.PublicURL); public == "" {
			return Origins{}, fmt.Errorf("public URL %q is not http://host or https://host", cfg.PublicURL)
		}
		if !inASCII(public) {
			return Origins{}, fmt.Errorf("public URL %q is not as browsers send it: the host in ASCII (xn--…)", cfg.PublicURL)
		}
	}
	proxied := cfg.Proxied
	if proxied == nil {
		proxied = func(*http.Request) bool { return false }
	}
	return Origins{allowed, public, proxied}, nil
}

// inASCII reports whether a text has only ASCII characters.
func inASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// Allows reports whether the origin is in the set. Browsers write origins in lower
// case (RFC 6454 section 4), so the comparison is exact.
func (o Origins) Allows(origin string) bool { return o.allowed[origin] }

// Foreign reports whether the request comes from a page that may not call us: it has
// an Origin that is neither allowed nor our own.
func (o Origins) Foreign(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin != "" && !o.Allows(origin) && !o.own(origin, r)
}

// TrustsCookie reports whether the request's cookies were meant for us: the request comes
// from a page of an allowed origin or of our own. A browser over plain HTTP sends no
// Sec-Fetch-Site, and no Origin with GET and HEAD; the Referer then names the page.
func (o Origins) TrustsCookie(r *http.Request) bool {
	origins, reading := r.Header.Values("Origin"), r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case len(origins) > 0:
		return len(origins) == 1 && (o.Allows(origins[0]) || o.own(origins[0], r))
	case r.Header.Get("Sec-Fetch-Site") != "" || !reading:
		return o.own("", r)
	default:
		return o.own(originOf(r.Referer()), r)
	}
}

// own reports whether a request comes from a page of our own origin, which is origin if
// the browser tells it. Sec-Fetch-Site decides if it is there: the browser compares the
// page with the address that it sent the request to, whatever a proxy has made of that,
// and pages cannot set the header.
func (o Origins) own(origin string, r *http.Request) bool {
	if sites := r.Header.Values("Sec-Fetch-Site"); len(sites) > 0 {
		return len(sites) == 1 && sites[0] == "same-origin"
	}
	if origin == "" {
		return false
	}
	if o.public != "" {
		return origin == o.public
	}
	scheme, host := "", r.Host
	if o.proxied(r) {
		scheme, host = last(r, "X-Forwarded-Proto"), cmp.Or(last(r, "X-Forwarded-Host"), r.Host)
	}
	if host == "" {
		return false
	}
	if scheme == "http" || scheme == "https" {
		return origin == originOf(scheme+"://"+host)
	}
	// Behind a proxy that ends TLS, our own scheme is not known.
	return origin == originOf("https://"+host) || origin == originOf("http://"+host)
}

// last returns the last value of a header that each proxy may add a value to.
func last(r *http.Request, name string) string {
	values := r.Header.Values(name)
	if len(values) == 0 {
		return ""
	}
	list := strings.Split(values[len(values)-1], ",")
	return strings.ToLower(strings.TrimSpace(list[len(list)-1]))
}

// originOf returns the origin of a URL as browsers write it: in lower case and without
// the default port. It returns "" unless the URL is an http or https URL with a host.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return ""
	}
	host := strings.ToLower(u.Host)
	if name, port, err := net.SplitHostPort(host); err == nil && (port == "" || port == defaultPorts[u.Scheme]) {
		host = name
		if strings.Contains(name, ":") {
			host = "[" + name + "]"
		}
	}
	return u.Scheme + "://" + host
}
