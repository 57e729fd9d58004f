package limit

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// addressBytes and processBytes bound the answers that are being read, encoded or
	// sent.
	addressBytes = 8 << 20
	processBytes = 128 << 20
	// reserveWait is how long an answer waits for its bytes.
	reserveWait = 2 * time.Second
)

// A ByteBudget bounds the memory of answers that are not streams, for each client address
// and for the process. Memory of clients that do not read what they ask for would
// otherwise grow with their connections. It is safe for concurrent use.
type ByteBudget struct {
	process *semaphore.Weighted

	mu        sync.Mutex // guards byAddress and the fields users in it
	byAddress map[netip.Addr]*addressBudget
}

// An addressBudget is the share of one address. It exists while an answer uses it or
// waits for it, so the table is as large as the number of requests at most.
type addressBudget struct {
	bytes *semaphore.Weighted
	users int
}

// NewByteBudget makes a budget of 8 MiB for an address and 128 MiB for the process.
func NewByteBudget() *ByteBudget {
	return &ByteBudget{process: semaphore.NewWeighted(processBytes), byAddress: make(map[netip.Addr]*addressBudget)}
}

// A Reservation is the memory of one answer. Its methods must not be called concurrently.
type Reservation struct {
	budget  *ByteBudget
	address netip.Addr
	of      *addressBudget
	size    int64
}

// Reserve takes n bytes, at most 8 MiB, first from the address and then from the process.
// It waits up to 2 s, and then returns AddressBytes or ProcessBytes. The end of ctx ends
// the wait, too. The caller must close the reservation.
func (b *ByteBudget) Reserve(ctx context.Context, address netip.Addr, n int) (*Reservation, Refusal) {
	ctx, cancel := context.WithTimeout(ctx, reserveWait)
	defer cancel()
	of := b.join(address)
	if of.bytes.Acquire(ctx, int64(n)) != nil {
		b.leave(address, of)
		return nil, AddressBytes
	}
	if b.process.Acquire(ctx, int64(n)) != nil {
		of.bytes.Release(int64(n))
		b.leave(address, of)
		return nil, ProcessBytes
	}
	return &Reservation{b, address, of, int64(n)}, ""
}

// TryReserve is like Reserve without a wait.
func (b *ByteBudget) TryReserve(address netip.Addr, n int) (*Reservation, Refusal) {
	of := b.join(address)
	if !of.bytes.TryAcquire(int64(n)) {
		b.leave(address, of)
		return nil, AddressBytes
	}
	if !b.process.TryAcquire(int64(n)) {
		of.bytes.Release(int64(n))
		b.leave(address, of)
		return nil, ProcessBytes
	}
	return &Reservation{b, address, of, int64(n)}, ""
}

func (b *ByteBudget) join(address netip.Addr) *addressBudget {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.byAddress[address]
	if of == nil {
		of = &addressBudget{bytes: semaphore.NewWeighted(addressBytes)}
		b.byAddress[address] = of
	}
	of.users++
	return of
}

func (b *ByteBudget) leave(address netip.Addr, of *addressBudget) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if of.users--; of.users == 0 {
		delete(b.byAddress, address)
	}
}

// Shrink returns what the reservation holds above n bytes.
func (r *Reservation) Shrink(n int) {
	excess := r.size - int64(n)
	if excess <= 0 {
		return
	}
	r.size -= excess
	r.budget.process.Release(excess)
	r.of.bytes.Release(excess)
}

// Close returns all bytes. Only the first call has an effect.
func (r *Reservation) Close() {
	if r.of == nil {
		return
	}
	r.Shrink(0)
	r.budget.leave(r.address, r.of)
	r.of = nil
}
