package limit

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the addresses of the proxies whose headers are believed. The zero Proxies
// believes none.
type Proxies struct{ networks []netip.Prefix }

// NewProxies reads addresses and ranges in CIDR notation. It returns an error if an element
// is neither.
func NewProxies(list []string) (Proxies, error) {
	var p Proxies
	for _, text := range list {
		network, err := parseNetwork(text)
		if err != nil {
			return Proxies{}, fmt.Errorf("trusted proxy %q is neither an address nor a range in CIDR notation", text)
		}
		p.networks = append(p.networks, network)
	}
	return p, nil
}

// Trusted returns a function that reports whether an address is that of a trusted proxy.
// Elements that [NewProxies] refuses are ignored.
func Trusted(proxies []string) func(netip.Addr) bool {
	var p Proxies
	for _, proxy := range proxies {
		if network, err := parseNetwork(proxy); err == nil {
			p.networks = append(p.networks, network)
		}
	}
	return p.trusts
}

// parseNetwork reads a range; a single address is a range of one. IPv4 addresses may be
// written as IPv6 (RFC 4291 section 2.5.5.2), as systems with dual-stack sockets list them.
func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if address := network.Addr(); address.Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(address.Unmap(), network.Bits()-96)
	}
	return network.Masked(), err
}

func (p Proxies) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// Proxied reports whether the request comes from a trusted proxy.
func (p Proxies) Proxied(r *http.Request) bool {
	peer, ok := parseAddress(r.RemoteAddr)
	return ok && p.trusts(peer)
}

// Client returns the client's IP address: the peer's, or if the peer is a trusted proxy,
// the rightmost address of X-Forwarded-For that is not a trusted proxy's. All addresses
// left of that one were written by the client. It returns "" if the peer has no IP address.
//
// An element of X-Forwarded-For may have a port and brackets. If one cannot be read, it is
// returned as unreadable, and the client's address is that of the proxy that wrote it.
func (p Proxies) Client(r *http.Request) (address, unreadable string) {
	client, ok := parseAddress(r.RemoteAddr)
	if !ok {
		return "", ""
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.trusts(client) {
			break
		}
		hop = strings.TrimSpace(hop)
		if hop == "" { // no header, or an empty element, which says nothing (RFC 9110 section 5.6.1)
			continue
		}
		next, ok := parseAddress(hop)
		if !ok {
			return client.String(), hop[:min(len(hop), 100)]
		}
		client = next
	}
	return client.String(), ""
}

// parseAddress reads an IP address with or without a port, brackets, quotes and a zone.
func parseAddress(text string) (netip.Addr, bool) {
	text = strings.Trim(text, `"`)
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, false
	}
	return address.Unmap().WithZone(""), true
}

// ClientAddress returns the address by which a client is counted: its IPv4 address, or
// the /64 of its IPv6 address, because one household usually has a whole /64. It returns
// the zero Addr if ip is not an address.
func ClientAddress(ip string) netip.Addr {
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Addr{}
	}
	return client(address)
}

// client returns the address by which a client with an address is counted.
func client(address netip.Addr) netip.Addr {
	address = address.Unmap()
	if address.Is4() || address.IsLoopback() {
		return address
	}
	network, err := address.Prefix(64)
	if err != nil {
		return netip.Addr{}
	}
	return network.Addr()
}
