package limit

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// reserve reserves or fails the test.
func reserve(t *testing.T, b *ByteBudget, address netip.Addr, n int) *Reservation {
	t.Helper()
	held, why := b.Reserve(t.Context(), address, n)
	streamtest.Want(t, "refusal", why, "")
	return held
}

func TestByteBudget_OfAnAddressLeavesThatOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewByteBudget()
		first := reserve(t, b, address, addressBytes)
		began := time.Now()
		_, why := b.Reserve(t.Context(), address, 1)
		streamtest.Want(t, "refusal of the address", why, AddressBytes)
		streamtest.Want(t, "wait", time.Since(began), reserveWait)
		reserve(t, b, netip.MustParseAddr("203.0.113.2"), 1).Close()

		first.Shrink(10)
		rest := reserve(t, b, address, addressBytes-10)
		first.Close()
		first.Close()
		rest.Close()
		streamtest.Want(t, "addresses in memory", len(b.byAddress), 0)
		streamtest.Want(t, "all bytes are free", b.process.TryAcquire(processBytes), true)
	})
}

func TestByteBudget_OfTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewByteBudget()
		other := netip.MustParseAddr("198.51.100.1")
		for range processBytes / addressBytes {
			other = other.Next()
			reserve(t, b, other, addressBytes)
		}
		_, why := b.Reserve(t.Context(), address, 1)
		streamtest.Want(t, "refusal", why, ProcessBytes)
		_, refused := b.byAddress[address]
		streamtest.Want(t, "the refused address is in memory", refused, false)
	})
}
