package auth

import (
	"crypto/sha256"
	"sync"
)

// generationSize is how many tokens one generation of a [cache] holds at most. Both
// generations together take a few MB.
const generationSize = 5_000

// A cache keeps the identities of tokens that were verified, because the verification
// takes more CPU than the rest of a like's request. It is safe for concurrent use.
//
// The key is the SHA-256 of all bytes of the token, and a token is added only after
// it was verified, so another token cannot take its place. The keys of a [Verifier]
// never change, and of a verified token's times only the end can pass later: the verifier
// checks the end at each use.
type cache struct {
	mu    sync.Mutex // guards young and old
	young map[[sha256.Size]byte]Identity
	old   map[[sha256.Size]byte]Identity // the generation before young; read as well
}

// get returns the identity of a token that is in the cache. The token may have ended.
func (c *cache) get(token [sha256.Size]byte) (Identity, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who, ok := c.young[token]
	if !ok {
		if who, ok = c.old[token]; ok {
			c.putLocked(token, who)
		}
	}
	return who, ok
}

// add stores the identity of a token that was verified.
func (c *cache) add(token [sha256.Size]byte, who Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putLocked(token, who)
}

// putLocked stores an identity in the young generation. If that is full, it becomes
// the old one, and the previous old one is dropped. The caller holds mu.
func (c *cache) putLocked(token [sha256.Size]byte, who Identity) {
	if c.young == nil || len(c.young) == generationSize {
		c.young, c.old = make(map[[sha256.Size]byte]Identity), c.young
	}
	c.young[token] = who
}
