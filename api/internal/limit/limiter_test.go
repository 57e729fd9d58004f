package limit

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

var address = netip.MustParseAddr("203.0.113.1")

func limiter(t *testing.T, cfg Config) *Limiter {
	t.Helper()
	l, err := New(cfg)
	streamtest.Must(t, err)
	return l
}

func TestSlot_ClosesOnce(t *testing.T) {
	t.Parallel()
	l := limiter(t, Config{})
	first, _ := l.Take(address, "ann")
	second, _ := l.Take(address, "ann")
	first.Close()
	first.Close()
	streamtest.Want(t, "number of slots taken", l.Taken(), 1)
	streamtest.Want(t, "number of the user's slots", l.byUser["ann"], 1)
	second.Close()
	streamtest.Want(t, "number of addresses and users in memory", len(l.byAddress)+len(l.byUser), 0)
}

// There may be a proxy at a loopback address, with all clients behind it.
func TestSlot_OfLoopbackMayTakeNineTenthsByDefault(t *testing.T) {
	t.Parallel()
	l := limiter(t, Config{Streams: 5000})
	take := func(address netip.Addr, n int) (refusal Refusal) {
		for range n {
			if _, why := l.Take(address, ""); why != "" {
				return why
			}
		}
		return ""
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	streamtest.Want(t, "refusal of nine tenths", take(loopback, 4500), "")
	streamtest.Want(t, "refusal of one more", take(loopback, 1), Address)
	streamtest.Want(t, "refusal of another address", take(address, 500), "")
	streamtest.Want(t, "refusal when all are taken", take(address, 1), Full)
}

func TestSlot_OfAnAddressAreAThousandByDefault(t *testing.T) {
	t.Parallel()
	l := limiter(t, Config{Streams: 5000})
	for i := range defaultPerAddress + 1 {
		if _, why := l.Take(address, ""); (why == Address) != (i == defaultPerAddress) {
			t.Fatalf("slot %d of an address: %q", i, why)
		}
	}
}

func TestAllowStart_AsksTheAddressBeforeTheProcess(t *testing.T) {
	t.Parallel()
	l := limiter(t, Config{Starts: Rate{PerSecond: 1e-9, Burst: 10}})
	attacker, loopback := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")
	refusals := make(map[Refusal]int)
	for range 100 {
		refusals[l.AllowStart(attacker)]++
	}
	streamtest.Want(t, "refusals of one address", refusals, map[Refusal]int{"": 5, AddressStarts: 95})
	for range 5 {
		streamtest.Want(t, "refusal of another address", l.AllowStart(loopback), "")
	}
	streamtest.Want(t, "refusal when the process has no more", l.AllowStart(address), Starts)
}

func TestRates_HaveABoundedNumberOfBuckets(t *testing.T) {
	t.Parallel()
	r := NewRates(Rate{PerSecond: 1e-9, Burst: 1})
	for i := range mostBuckets + 10 {
		r.Allow(fmt.Sprint(i))
	}
	if n := len(r.buckets); n > mostBuckets+1 {
		t.Errorf("%d buckets are in memory", n)
	}
}

// A slot exists for each open stream, so its memory is part of the memory per reader.
func TestSlot_IsOneAllocation(t *testing.T) { // not parallel: it counts allocations
	l := limiter(t, Config{})
	if _, why := l.Take(address, "ann"); why != "" { // makes the entries of the maps
		t.Fatal(why)
	}
	n := testing.AllocsPerRun(100, func() {
		slot, _ := l.Take(address, "ann")
		slot.Close()
	})
	if n > 1 {
		t.Errorf("a slot takes %v allocations", n)
	}
}

func TestNew_RefusesNegativeLimits(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{{Streams: -1}, {PerUser: -1}, {PerAddress: -1}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

func TestRates_HaveABucketForEachKey(t *testing.T) {
	t.Parallel()
	r := NewRates(Rate{PerSecond: 1e-9, Burst: 2})
	got := []bool{r.Allow("a"), r.Allow("a"), r.Allow("a"), r.Allow("b")}
	streamtest.Want(t, "results", got, []bool{true, true, false, true})
}

func TestRates_ForgetsFullBuckets(t *testing.T) {
	t.Parallel()
	r := NewRates(Rate{PerSecond: 1e9, Burst: 1}) // a bucket is full again at once
	for i := range sweepFrom + 10 {
		r.Allow(fmt.Sprint(i))
	}
	if n := len(r.buckets); n > sweepFrom {
		t.Errorf("%d buckets are in memory", n)
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	for ip, counted := range map[string]string{
		"203.0.113.1": "203.0.113.1", "::ffff:203.0.113.1": "203.0.113.1", "2001:db8:0:1:ffff::2": "2001:db8:0:1::", "::1": "::1",
	} {
		streamtest.Want(t, "address of "+ip, ClientAddress(ip).String(), counted)
	}
	streamtest.Want(t, "address of no address", ClientAddress("unix"), netip.Addr{})
}
