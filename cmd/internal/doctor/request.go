package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

const (
	// requestTimeout is how long all requests of one check may take together, besides the time
	// that the server is asked to wait.
	requestTimeout = 20 * time.Second
	trips          = 5 // requests to measure the shortest time of an answer
)

// send makes a request without a token and without a body below the address of the server.
// The header is used as it is; nil is an empty one. The caller closes the body of the answer.
func (x *examination) send(ctx context.Context, method, path string, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, x.base.String()+path, nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		r.Header = header
	}
	return x.http.Do(r)
}

// checkReachable asks /healthz, learns the names of proxies from its answers, and asks
// /readyz.
func (x *examination) checkReachable(ctx context.Context) Finding {
	const check = "reachable"
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	x.trip = requestTimeout
	for range trips {
		started := time.Now()
		answer, err := x.send(ctx, http.MethodGet, "/healthz", nil)
		if err != nil {
			return wrong(check, nil, "there is no answer: %v", err)
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // the connection can then be used again
		answer.Body.Close()
		x.trip = min(x.trip, time.Since(started))
		x.proxies = recognize(answer.Header)
		if answer.StatusCode != http.StatusOK {
			return wrong(check, nil, "/healthz answers %s: is this the address of Tidings, with its path?", answer.Status)
		}
	}
	answer, err := x.send(ctx, http.MethodGet, "/readyz", nil)
	if err != nil {
		return wrong(check, nil, "/readyz does not answer: %v", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(answer.Body, 500)) // what could be read is shown
		return wrong(check, nil, "the server is not ready: %s", strings.TrimSpace(string(body)))
	}
	return ok(check, "an answer takes %v", x.trip.Round(time.Millisecond))
}

// checkOwnOrigin writes as a page of the server's own origin does, without a token. The
// server looks at the origin first: it answers 401 if the origin is its own, else 403.
func (x *examination) checkOwnOrigin(ctx context.Context) Finding {
	const check = "own-origin"
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	origin := x.base.Scheme + "://" + x.base.Host
	answer, err := x.send(ctx, http.MethodPost, "/v1/posts/doctor/typing", http.Header{"Origin": {origin}})
	if err != nil {
		return wrong(check, nil, "a write of the page got no answer: %v", err)
	}
	defer answer.Body.Close()
	var problem struct{ Code string }
	_ = json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&problem) // an answer of a proxy is not JSON
	switch {
	case answer.StatusCode == http.StatusUnauthorized && problem.Code == "unauthenticated":
		return ok(check, "a page of %s may write", origin)
	case problem.Code == "forbidden_origin":
		return wrong(check, x.fix(hostRewritten),
			"a page of %s may read but not write (403): the proxy sends another Host than %s%s", origin, x.base.Host, x.seenHost(ctx))
	default:
		return wrong(check, nil, "a write of the page is answered %s, want 401: the proxy may allow GET only", answer.Status)
	}
}

// seenHost tells which Host the server gets, as the end of a sentence. It is empty without a
// token, or if the server does not say.
func (x *examination) seenHost(ctx context.Context) string {
	if x.cfg.Token == "" {
		return ""
	}
	seen, err := x.client.Connection(ctx)
	if err != nil {
		return ""
	}
	return ", namely " + seen.Host
}

// checkAddresses compares the address by which the server counts this client with the
// addresses of the connections.
func (x *examination) checkAddresses(ctx context.Context) Finding {
	const check = "addresses"
	if x.cfg.Token == "" {
		return skipped(check, "set --secret or --token to see which address the server counts")
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var local net.Addr
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { local = info.Conn.LocalAddr() },
	})
	seen, err := x.client.Connection(traced)
	if err != nil {
		return wrong(check, nil, "the server does not say which address it sees: %v", err)
	}
	return x.judgeAddress(seen, local)
}

// judgeAddress decides whether the server sees the client. local is this end of the
// connection, nil if unknown. The first of these that is true decides:
//
//   - the server's peer is this end of the connection: there is no proxy
//   - the proxy names its own address as that of this client: both are on one machine
//   - the server counts its peer, although X-Forwarded-For names others
//   - the peer is a proxy that sends no X-Forwarded-For
//   - the server counts a private address, and this client is not at one
func (x *examination) judgeAddress(seen client.Connection, local net.Addr) Finding {
	const check = "addresses"
	peer, _, _ := net.SplitHostPort(seen.Peer)
	forwarded := strings.Join(seen.ForwardedFor, ", ")
	switch {
	case local != nil && seen.Peer == local.String():
		return ok(check, "there is no proxy: the server sees this client at %s", seen.Address)
	case seen.Address == peer && onlyNames(forwarded, peer):
		return skipped(check, "this client and the proxy have one address, "+peer+": run the check on another machine")
	case forwarded != "" && seen.Address == peer:
		return wrong(check, []Line{{"tidings serve", "TIDINGS_TRUSTED_PROXIES=" + peer}},
			"all visitors have the address of the proxy, %s, and share its limits: the server does not trust this proxy, which sends X-Forwarded-For: %s", peer, forwarded)
	case forwarded == "" && (len(x.proxies)+len(seen.Via) > 0 || isLocal(peer)):
		return wrong(check, x.fix(addressHidden),
			"all visitors have the address of the proxy, %s, and share its limits: the proxy sends no X-Forwarded-For", peer)
	case isLocal(seen.Address) && local != nil && !isLocal(hostOf(local)):
		return wrong(check, []Line{{"tidings serve", "TIDINGS_TRUSTED_PROXIES=" + peer + "," + seen.Address}},
			"the server takes %s for the client: it is the address of another proxy, which the server does not trust (X-Forwarded-For: %s)", seen.Address, forwarded)
	}
	return ok(check, "the server sees this client at %s", seen.Address)
}

// onlyNames reports whether a value of X-Forwarded-For names one host and no other.
func onlyNames(forwarded, host string) bool {
	for entry := range strings.SplitSeq(forwarded, ",") {
		entry = strings.TrimSpace(entry)
		if named, _, err := net.SplitHostPort(entry); err == nil {
			entry = named
		}
		if strings.Trim(entry, "[]") != host {
			return false
		}
	}
	return true
}

// hostOf is the host of an address, without its port.
func hostOf(address net.Addr) string {
	host, _, _ := net.SplitHostPort(address.String())
	return host
}

// isLocal reports whether an address is of a loopback interface or of a private network.
func isLocal(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && (address.IsLoopback() || address.IsPrivate())
}

// seconds writes a duration as operators do.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
