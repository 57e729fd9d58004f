package api

import (
	"cmp"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// Limits bound what readers may take: open streams and waiting polls alike. Whoever
// comes too late is refused; nobody who is there is ever put out for another.
type Limits struct {
	Streams    int // of the process; default: nine tenths of the descriptors it may open
	PerAddress int // of a client address, an IPv6 one being its /64; default 1,000, and loopback unbounded
	PerUser    int // of a signed-in user, over all addresses; default 100

	// TrustedProxies are the addresses and CIDR ranges whose X-Forwarded-For is
	// believed. From anyone else the header says nothing.
	TrustedProxies []string
	// NoRates lifts everything that is counted per second, typing's rate too.
	NoRates bool
}

const (
	defaultPerAddress = 1000
	defaultPerUser    = 100

	// startsPerSecond and startsBurst bound the streams that this process opens: after
	// a storm they all want a replay, and a handshake each.
	startsPerSecond = 1000
	startsBurst     = 5000

	// A replay from an old cursor costs reads of the log. These are for an address and
	// for a user: enough for everybody behind a NAT to come back at once, too little
	// for a loop to live on.
	replaysPerSecondOfAddress = 10
	replaysBurstOfAddress     = 1000
	replaysPerSecondOfUser    = 1
	replaysBurstOfUser        = 100
)

// A refusal is why a reader was not let in. It is a label of a metric, so there is a
// fixed number of them.
type refusal string

const (
	refusedFull     refusal = "process_full"
	refusedAddress  refusal = "address_full"
	refusedUser     refusal = "user_full"
	refusedStarts   refusal = "too_many_new"
	refusedReplays  refusal = "too_many_replays"
	refusedDraining refusal = "draining"
	refusedNotReady refusal = "not_ready"
	refusedTyping   refusal = "typing"
)

var refusals = []refusal{
	refusedFull, refusedAddress, refusedUser, refusedStarts,
	refusedReplays, refusedDraining, refusedNotReady, refusedTyping,
}

// limits keeps count of the seats that are taken.
type limits struct {
	most       int
	perAddress int
	perUser    int
	loopback   bool // counts as any other address

	starts         *rate.Limiter // the rates are nil when lifted
	addressReplays *rates
	userReplays    *rates
	mu             sync.Mutex // guards what follows
	taken          int
	byAddress      map[netip.Addr]int
	byUser         map[string]int
}

func newLimits(cfg Limits) (*limits, error) {
	for name, n := range map[string]int{"streams": cfg.Streams, "streams per address": cfg.PerAddress, "streams per user": cfg.PerUser} {
		if n < 0 {
			return nil, fmt.Errorf("limit of %s is %d", name, n)
		}
	}
	l := &limits{
		most:       cmp.Or(cfg.Streams, descriptors()/10*9),
		perAddress: cmp.Or(cfg.PerAddress, defaultPerAddress),
		perUser:    cmp.Or(cfg.PerUser, defaultPerUser),
		loopback:   cfg.PerAddress > 0,
		byAddress:  make(map[netip.Addr]int),
		byUser:     make(map[string]int),
	}
	if !cfg.NoRates {
		l.starts = rate.NewLimiter(startsPerSecond, startsBurst)
		l.addressReplays = newRates(replaysPerSecondOfAddress, replaysBurstOfAddress)
		l.userReplays = newRates(replaysPerSecondOfUser, replaysBurstOfUser)
	}
	return l, nil
}

// A seat is one reader's place within the limits. It may outlive the handler that
// took it: whoever ends the reader calls leave.
type seat struct {
	limits  *limits
	address netip.Addr // zero when it isn't counted
	user    string     // "" when it isn't counted
	left    atomic.Bool
}

// take gives a seat, or says why there is none.
func (l *limits) take(address netip.Addr, user string) (*seat, refusal) {
	if address.IsLoopback() && !l.loopback {
		address = netip.Addr{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.taken >= l.most:
		return nil, refusedFull
	case address.IsValid() && l.byAddress[address] >= l.perAddress:
		return nil, refusedAddress
	case user != "" && l.byUser[user] >= l.perUser:
		return nil, refusedUser
	}
	l.taken++
	if address.IsValid() {
		l.byAddress[address]++
	}
	if user != "" {
		l.byUser[user]++
	}
	return &seat{limits: l, address: address, user: user}, ""
}

// leave gives the seat back. Only the first call counts.
func (s *seat) leave() {
	if s.left.Swap(true) {
		return
	}
	l := s.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	release(l.byAddress, s.address)
	release(l.byUser, s.user)
}

// release counts one down, and forgets who has none left.
func release[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// seats is how many are taken.
func (l *limits) seats() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

// replay takes a token for a replay from an old cursor, of the address and of the user.
func (l *limits) replay(address netip.Addr, user string) bool {
	if address.IsValid() && (l.loopback || !address.IsLoopback()) && !l.addressReplays.allow(address.String()) {
		return false
	}
	return user == "" || l.userReplays.allow(user)
}

// What descriptors answers is within these, whatever the system says: "unlimited" is
// no number of sockets to have.
const (
	fewDescriptors  = 100
	manyDescriptors = 1 << 20
)
