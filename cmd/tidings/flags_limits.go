package main

import (
	"fmt"

	"github.com/tidings-live/tidings/api"
)

// limitFlags are the limits on what readers may use. A pointer is nil if the flag is
// not set: its default is then computed, or applies to some addresses only.
type limitFlags struct {
	MaxStreams           *int     `name:"max-streams" env:"TIDINGS_MAX_STREAMS" placeholder:"N" help:"Number of streams and waiting polls of this process. Default: nine tenths of the files that the process may open."`
	MaxStreamsPerAddress *int     `name:"max-streams-per-address" env:"TIDINGS_MAX_STREAMS_PER_ADDRESS" placeholder:"N" help:"Number of streams and waiting polls of one client address (IPv6: of one /64). Default: 1000, at most half of --max-streams, and nine tenths of them from loopback."`
	MaxStreamsPerUser    int      `name:"max-streams-per-user" env:"TIDINGS_MAX_STREAMS_PER_USER" default:"100" help:"Number of streams and waiting polls of one signed-in user."`
	TrustedProxies       []string `env:"TIDINGS_TRUSTED_PROXIES" placeholder:"CIDR" help:"Addresses and ranges of your proxies. X-Forwarded-For, -Host and -Proto are read only in their requests. Default: none."`
	RateLimits           string   `env:"TIDINGS_RATE_LIMITS" default:"on" placeholder:"RATES" help:"Limits on how often clients write, open streams, replay and type: on, off (only for load tests and trusted networks), or the rates of what a user writes, as a number per minute and a burst. on is comments=10/5,likes=60/20,tickets=60/20; a rate that is not named keeps its number."`
}

// Validate is called by kong. An error makes the command line a wrong one.
func (f limitFlags) Validate() error {
	for flag, n := range map[string]*int{
		"max-streams": f.MaxStreams, "max-streams-per-address": f.MaxStreamsPerAddress, "max-streams-per-user": &f.MaxStreamsPerUser,
	} {
		if n != nil && *n <= 0 {
			return fmt.Errorf("--%s: must be greater than 0", flag)
		}
	}
	if _, err := f.writeRates(); err != nil {
		return fmt.Errorf("--rate-limits: %w", err)
	}
	return api.ValidProxies(f.TrustedProxies)
}

// writeRates returns the rates of what a user writes. Zero rates are the defaults.
func (f limitFlags) writeRates() (api.WriteRates, error) {
	switch f.RateLimits {
	case "", "on", "off":
		return api.WriteRates{}, nil
	}
	return api.ParseWriteRates(f.RateLimits)
}

// limits returns the flags as the configuration of package api.
func (f limitFlags) limits() api.Limits {
	writes, _ := f.writeRates() // Validate has reported the error
	return api.Limits{
		Streams: orUnset(f.MaxStreams), PerAddress: orUnset(f.MaxStreamsPerAddress), PerUser: f.MaxStreamsPerUser,
		TrustedProxies: f.TrustedProxies, NoRates: f.RateLimits == "off", Writes: writes,
	}
}

// orUnset is the value of a flag, or 0 if the flag is not set.
func orUnset(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
