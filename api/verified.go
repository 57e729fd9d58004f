package api

import (
	"crypto/sha256"
	"sync"
	"time"
)

// verifiedMost bounds the tokens of one generation of a [verified].
const verifiedMost = 5_000

// A verified remembers whom good tokens speak for, because checking one takes longer
// than all else that a like needs of the server. It is safe for concurrent use.
//
// A token is known by the SHA-256 of all its bytes and put in only after it was
// verified, so nothing that somebody else sends can stand in its place. Of what a
// token says about time, only its end can come to be wrong later: it is looked at
// each time. The keys of a Verifier never change; if they did, it would have to forget.
type verified struct {
	mu    sync.Mutex // guards both
	young map[[sha256.Size]byte]Identity
	old   map[[sha256.Size]byte]Identity // the generation before, asked for as well
}

// get returns who a token speaks for, if it is known and has not ended.
func (v *verified) get(token [sha256.Size]byte, now time.Time) (Identity, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	who, ok := v.young[token]
	if !ok {
		if who, ok = v.old[token]; ok {
			v.put(token, who)
		}
	}
	return who, ok && now.Before(who.Expires.Add(leeway))
}

// add remembers a token that was verified.
func (v *verified) add(token [sha256.Size]byte, who Identity) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.put(token, who)
}

// put forgets the older generation when the younger is full. The caller holds mu.
func (v *verified) put(token [sha256.Size]byte, who Identity) {
	if v.young == nil || len(v.young) == verifiedMost {
		v.young, v.old = make(map[[sha256.Size]byte]Identity), v.young
	}
	v.young[token] = who
}
