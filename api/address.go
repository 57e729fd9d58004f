package api

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/labstack/echo/v4"
)

// ValidProxies says what is wrong with a list of [Limits.TrustedProxies].
func ValidProxies(proxies []string) error {
	_, err := newIPExtractor(proxies)
	return err
}

// newIPExtractor finds the client's address: the peer's, or if that is a trusted
// proxy's, the rightmost of X-Forwarded-For that isn't one's.
func newIPExtractor(proxies []string) (echo.IPExtractor, error) {
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

func parseNetwork(text string) (*net.IPNet, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		address = address.Unmap()
		return &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(address.BitLen(), address.BitLen())}, nil
	}
	_, network, err := net.ParseCIDR(text)
	return network, err
}

// clientAddress is what a client is counted by: its IPv4 address, or the /64 of its
// IPv6 address, which one household has to itself. It is zero when there is none.
func clientAddress(c echo.Context) netip.Addr {
	address, err := netip.ParseAddr(c.RealIP())
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
