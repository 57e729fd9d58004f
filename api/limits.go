package api

import "github.com/tidings-live/tidings/api/internal/limit"

// Limits bound what readers and clients may take of one process: see its fields, with
// their defaults, and [Config]. A new reader never displaces an existing one.
type Limits = limit.Config

// ValidProxies returns an error if an element of [Limits].TrustedProxies is neither an
// address nor a range in CIDR notation.
func ValidProxies(proxies []string) error {
	_, err := limit.NewIPExtractor(proxies)
	return err
}
