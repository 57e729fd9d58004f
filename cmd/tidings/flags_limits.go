package main

import (
	"fmt"

	"github.com/tidings-live/tidings/api"
)

// limitFlags bound what readers may take.
type limitFlags struct {
	MaxStreams           *int     `name:"max-streams" env:"TIDINGS_MAX_STREAMS" placeholder:"N" help:"Streams and waiting polls of this process. Default: nine tenths of the files that it may open."`
	MaxStreamsPerAddress *int     `name:"max-streams-per-address" env:"TIDINGS_MAX_STREAMS_PER_ADDRESS" placeholder:"N" help:"Of one client address (IPv6: one /64). Default: 1000, and any number from loopback."`
	MaxStreamsPerUser    int      `name:"max-streams-per-user" env:"TIDINGS_MAX_STREAMS_PER_USER" default:"100" help:"Of one signed-in user."`
	TrustedProxies       []string `env:"TIDINGS_TRUSTED_PROXIES" placeholder:"CIDR,…" help:"Addresses and ranges of your proxies. Only from those is X-Forwarded-For believed."`
	RateLimits           string   `env:"TIDINGS_RATE_LIMITS" default:"on" enum:"on,off" help:"Bound what is counted per second (new streams, replays, typing): ${enum}. Off is for load tests."`
}

// Validate is called by kong.
func (f limitFlags) Validate() error {
	for flag, n := range map[string]*int{
		"max-streams": f.MaxStreams, "max-streams-per-address": f.MaxStreamsPerAddress, "max-streams-per-user": &f.MaxStreamsPerUser,
	} {
		if n != nil && *n <= 0 {
			return fmt.Errorf("--%s: want more than nothing", flag)
		}
	}
	return api.ValidProxies(f.TrustedProxies)
}

func (f limitFlags) limits() api.Limits {
	return api.Limits{
		Streams: orUnset(f.MaxStreams), PerAddress: orUnset(f.MaxStreamsPerAddress), PerUser: f.MaxStreamsPerUser,
		TrustedProxies: f.TrustedProxies, NoRates: f.RateLimits == "off",
	}
}

// orUnset is the value of a flag, 0 when it wasn't.
func orUnset(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
