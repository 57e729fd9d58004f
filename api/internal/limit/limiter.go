package limit

import (
	"cmp"
	"net/netip"
	"sync"
	"sync/atomic"
)

// A Limiter counts the slots that readers hold, and keeps the rates. It is safe for
// concurrent use.
type Limiter struct {
	slots         int
	perAddress    int
	perLoopback   int // of a loopback address, behind which there may be a proxy with all clients
	perUser       int
	countLoopback bool // loopback addresses are limited like others

	starts         *Rates // the rates are nil if they are lifted
	addressStarts  *Rates
	loopbackStarts *Rates
	addressReplays *Rates
	userReplays    *Rates
	typing         *Rates
	writes         map[Refusal]*Rates // by Comments, Likes and Tickets

	mu        sync.Mutex // guards the fields below
	requests  map[netip.Addr]int
	taken     int
	byAddress map[netip.Addr]int
	byUser    map[string]int
}

// New makes a limiter. It returns an error for negative limits.
func New(cfg Config) (*Limiter, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	slots := cmp.Or(cfg.Streams, descriptors()/10*9)
	l := &Limiter{
		slots:         slots,
		perLoopback:   cmp.Or(cfg.PerAddress, slots-slots/10),
		perAddress:    cmp.Or(cfg.PerAddress, min(defaultPerAddress, max(slots/2, 1))),
		perUser:       cmp.Or(cfg.PerUser, defaultPerUser),
		countLoopback: cfg.PerAddress > 0,
		requests:      make(map[netip.Addr]int),
		byAddress:     make(map[netip.Addr]int),
		byUser:        make(map[string]int),
	}
	l.writes = make(map[Refusal]*Rates)
	if !cfg.NoRates {
		l.writes[Comments] = NewRates(cmp.Or(cfg.Writes.Comments, defaultWrites.Comments))
		l.writes[Likes] = NewRates(cmp.Or(cfg.Writes.Likes, defaultWrites.Likes))
		l.writes[Tickets] = NewRates(cmp.Or(cfg.Writes.Tickets, defaultWrites.Tickets))
		starts := cmp.Or(cfg.Starts, defaultStarts)
		l.starts = NewRates(starts)
		l.addressStarts = NewRates(cmp.Or(cfg.AddressStarts, defaultAddressStarts))
		l.loopbackStarts = NewRates(cmp.Or(cfg.AddressStarts, Rate{starts.PerSecond / 2, (starts.Burst + 1) / 2}))
		l.addressReplays = NewRates(cmp.Or(cfg.AddressReplays, defaultAddressReplays))
		l.userReplays = NewRates(cmp.Or(cfg.UserReplays, defaultUserReplays))
		l.typing = NewRates(cmp.Or(cfg.Typing, defaultTyping))
	}
	return l, nil
}

// A Slot is one reader's share of the limits. It may outlive the handler that took it:
// the end of the reader closes it.
type Slot struct {
	limiter *Limiter
	address netip.Addr // the zero Addr if it is not counted
	user    string     // "" if it is not counted
	closed  atomic.Bool
}

// Take returns a slot, or the limit that is reached. The limits of the address and of the
// user are checked before that of the process. The zero address and the user "" are not
// counted.
func (l *Limiter) Take(address netip.Addr, user string) (*Slot, Refusal) {
	most := l.perAddress
	if address.IsLoopback() {
		most = l.perLoopback
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case address.IsValid() && l.byAddress[address] >= most && most < l.slots:
		return nil, Address
	case user != "" && l.byUser[user] >= l.perUser:
		return nil, User
	case l.taken >= l.slots:
		return nil, Full
	}
	l.taken++
	if address.IsValid() {
		l.byAddress[address]++
	}
	if user != "" {
		l.byUser[user]++
	}
	return &Slot{limiter: l, address: address, user: user}, ""
}

// Close returns the slot. Only the first call has an effect.
func (s *Slot) Close() {
	if s.closed.Swap(true) {
		return
	}
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	decrement(l.byAddress, s.address)
	decrement(l.byUser, s.user)
}

// decrement removes keys that reach zero, so that the map holds current readers only.
func decrement[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// moreRequests is how many requests of an address may be in progress in addition to its
// streams and waiting polls, which are requests, too, over HTTP/2.
const moreRequests = 256

// Begin counts a request that is in progress until end is called. It returns AddressRequests
// if the address has too many: one connection of HTTP/2 has 250, each with a goroutine.
func (l *Limiter) Begin(address netip.Addr) (end func(), why Refusal) {
	if !address.IsValid() || address.IsLoopback() && !l.countLoopback {
		return func() {}, ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.requests[address] >= l.perAddress+moreRequests {
		return nil, AddressRequests
	}
	l.requests[address]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		decrement(l.requests, address)
	}, ""
}

// Taken returns how many slots are taken.
func (l *Limiter) Taken() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

// Full reports whether all slots of the process are taken.
func (l *Limiter) Full() bool { return l.Taken() >= l.slots }

// AllowStart counts a new stream. It returns the rate that is exceeded, if there is one.
// The rate of the address stands before that of the process, so that one client cannot
// use up what the clients of all addresses share.
func (l *Limiter) AllowStart(address netip.Addr) Refusal {
	rates := l.addressStarts
	if address.IsLoopback() {
		rates = l.loopbackStarts
	}
	switch {
	case address.IsValid() && !rates.Allow(address.String()):
		return AddressStarts
	case !l.starts.Allow(""):
		return Starts
	}
	return ""
}

// AllowReplay counts a replay from an old cursor and reports whether it is within the
// rates of the address and of the user.
func (l *Limiter) AllowReplay(address netip.Addr, user string) bool {
	counted := address.IsValid() && (l.countLoopback || !address.IsLoopback())
	if counted && !l.addressReplays.Allow(address.String()) {
		return false
	}
	return user == "" || l.userReplays.Allow(user)
}

// AllowTyping counts a typing signal of a user and reports whether it is within the rate.
func (l *Limiter) AllowTyping(user string) bool { return l.typing.Allow(user) }
