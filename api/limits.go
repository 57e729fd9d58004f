package api

import "github.com/tidings-live/tidings/api/internal/limit"

// Limits bound what readers and clients may take of one process: see its fields, with
// their defaults, and [Config]. A new reader never displaces an existing one.
type Limits = limit.Config

// WriteRates are the rates of what a user writes.
type WriteRates = limit.Writes

// ParseWriteRates reads rates as "comments=10/5,likes=60/20,tickets=60/20": the number a
// minute and the burst. Rates that are not named keep their default.
func ParseWriteRates(text string) (WriteRates, error) { return limit.ParseWrites(text) }

// ValidProxies returns an error if an element of [Limits].TrustedProxies is neither an
// address nor a range in CIDR notation.
func ValidProxies(proxies []string) error {
	_, err := limit.NewProxies(proxies)
	return err
}
