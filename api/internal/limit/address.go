package limit

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/labstack/echo/v4"
)

// NewIPExtractor returns a function that finds the client's IP address: the peer's, or
// if the peer is a trusted proxy, the rightmost address of X-Forwarded-For that is not
// a trusted proxy's. All addresses left of that one were written by the client. It
// returns an error if a proxy is neither an address nor a range in CIDR notation.
func NewIPExtractor(proxies []string) (func(*http.Request) string, error) {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect(), nil
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, proxy := range proxies {
		network, err := parseNetwork(proxy)
		if err != nil {
			return nil, fmt.Errorf("trusted proxy %q is neither an address nor a range in CIDR notation", proxy)
		}
		trust = append(trust, echo.TrustIPRange(network))
	}
	return echo.ExtractIPFromXFFHeader(trust...), nil
}

// Trusted returns a function that reports whether an address is that of a trusted proxy.
// Elements that [NewIPExtractor] refuses are ignored.
func Trusted(proxies []string) func(netip.Addr) bool {
	var networks []*net.IPNet
	for _, proxy := range proxies {
		if network, err := parseNetwork(proxy); err == nil {
			networks = append(networks, network)
		}
	}
	return func(address netip.Addr) bool {
		return slices.ContainsFunc(networks, func(n *net.IPNet) bool { return n.Contains(address.AsSlice()) })
	}
}

// parseNetwork reads a range; a single address is a range of one.
func parseNetwork(text string) (*net.IPNet, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		address = address.Unmap()
		return &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(address.BitLen(), address.BitLen())}, nil
	}
	_, network, err := net.ParseCIDR(text)
	return network, err
}

// ClientAddress returns the address by which a client is counted: its IPv4 address, or
// the /64 of its IPv6 address, because one household usually has a whole /64. It returns
// the zero Addr if ip is not an address.
func ClientAddress(ip string) netip.Addr {
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Addr{}
	}
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
