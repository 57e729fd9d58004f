package limit

import "fmt"

// A Config sets the limits. Zero values mean the defaults.
type Config struct {
	Streams    int // streams and waiting polls of the process; default: nine tenths of the file descriptors it may open
	PerAddress int // streams and waiting polls of a client address, for IPv6 of a /64; default 1,000, at most half of Streams; for loopback nine tenths of Streams
	PerUser    int // streams and waiting polls of a signed-in user, over all addresses; default 100

	// TrustedProxies are addresses and CIDR ranges. X-Forwarded-For is read only from
	// a connection that comes from one of them.
	TrustedProxies []string

	Starts         Rate // new streams of the process; default 1,000/s, burst 5,000
	AddressStarts  Rate // new streams of an address; default 100/s, burst 1,000, and half of Starts for loopback
	AddressReplays Rate // replays from old cursors, of an address; default 10/s, burst 1,000
	UserReplays    Rate // replays from old cursors, of a user; default 1/s, burst 100
	Typing         Rate // typing signals of a user, over all posts; default 3/s, burst 5
	Writes         Writes

	// NoRates lifts all rates, for load tests and trusted networks. The limits of
	// streams and waiting polls stay.
	NoRates bool
}

// A Rate is the size of a token bucket and the speed at which it fills.
type Rate struct {
	PerSecond float64
	Burst     int
}

const (
	defaultPerAddress = 1000
	defaultPerUser    = 100
)

var (
	// defaultStarts: after a network failure all readers come back at once, and each
	// needs a TLS handshake and a replay.
	defaultStarts = Rate{1000, 5000}
	// defaultAddressStarts: all readers of an address (see defaultPerAddress) may come
	// back at once.
	defaultAddressStarts = Rate{100, 1000}
	// A replay from an old cursor reads the log. The two rates allow all users behind
	// one NAT to come back at once, and stop a client that does so in a loop.
	defaultAddressReplays = Rate{10, 1000}
	defaultUserReplays    = Rate{1, 100}
	// defaultTyping: each signal is a NOTIFY that every instance receives.
	defaultTyping = Rate{3, 5}
)

// check refuses negative limits: they are mistakes in the configuration.
func (c Config) check() error {
	for _, limit := range []struct {
		name string
		n    int
	}{{"streams", c.Streams}, {"streams per address", c.PerAddress}, {"streams per user", c.PerUser}} {
		if limit.n < 0 {
			return fmt.Errorf("limit of %s is %d", limit.name, limit.n)
		}
	}
	return nil
}
