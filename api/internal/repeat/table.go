package repeat

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"sync"
)

// mostBytes bounds the values of one half of a [Table].
const mostBytes = 8 << 20

// entryBytes is the memory of an entry without its value.
const entryBytes = 128

// A Key stands for all requests that differ only in what [Scan] leaves out.
type Key [sha256.Size]byte

// A Table remembers a value for each key, and forgets those that were not used for the longest
// time. It is safe for concurrent use.
type Table[T any] struct {
	secret [32]byte // makes keys unpredictable

	mu         sync.Mutex // guards the fields below
	generation uint64
	young      map[Key]entry[T]
	old        map[Key]entry[T] // the younger half of earlier entries
	size       int              // of the values in young
}

type entry[T any] struct {
	value T
	size  int
}

// NewTable makes an empty table.
func NewTable[T any]() *Table[T] {
	t := &Table[T]{young: make(map[Key]entry[T])}
	_, _ = rand.Read(t.secret[:]) // never fails
	return t
}

// Key returns the key of a head from the IP address of a peer. It is the SHA-256 of a random
// secret, the address and the parts of the head, each after its length.
func (t *Table[T]) Key(peer netip.Addr, h Head) Key {
	b := make([]byte, 0, 2<<10)
	b = append(b, t.secret[:]...)
	address := peer.As16()
	b = appendPart(b, address[:])
	b = appendPart(b, []byte(peer.Zone()))
	at := 0
	for _, cut := range h.cuts[:h.n] {
		b = appendPart(b, h.bytes[at:cut.from])
		at = cut.to
	}
	b = appendPart(b, h.bytes[at:])
	return sha256.Sum256(b)
}

func appendPart(b, part []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}

// Generation returns the number of calls of Forget.
func (t *Table[T]) Generation() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.generation
}

// Forget removes all values. Values that were begun before it are not added any more.
func (t *Table[T]) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.generation++
	t.young, t.old, t.size = make(map[Key]entry[T]), nil, 0
}

// Get returns the value of a key.
func (t *Table[T]) Get(key Key) (value T, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.young[key]
	if !ok {
		if e, ok = t.old[key]; ok {
			t.addLocked(key, e)
		}
	}
	return e.value, ok
}

// Add stores a value of about size bytes. generation is what Generation returned before the
// value was found out: if Forget was called since, the value is not stored.
func (t *Table[T]) Add(key Key, value T, size int, generation uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if generation == t.generation {
		t.addLocked(key, entry[T]{value, entryBytes + size})
	}
}

func (t *Table[T]) addLocked(key Key, e entry[T]) {
	if t.size+e.size > mostBytes {
		t.young, t.old, t.size = make(map[Key]entry[T]), t.young, 0
	}
	if _, ok := t.young[key]; !ok {
		t.size += e.size
	}
	t.young[key] = e
}

// Size returns the number of values.
func (t *Table[T]) Size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.young)
	for key := range t.old {
		if _, ok := t.young[key]; !ok {
			n++
		}
	}
	return n
}
