package auth

import "time"

// leeway is by how much the clock of the token's issuer may differ from ours when a
// token is verified. It applies to exp, nbf and iat alike.
const leeway = 5 * time.Second

// A Use is what an identity is needed for at a given time.
type Use int

const (
	// Admission is the verification of a token that comes with a request.
	Admission Use = iota
	// Reading is whatever lasts longer than the request that began it: an open stream,
	// a waiting poll, a ticket that was not used yet.
	Reading
)

// End returns when the identity's token ends for this use. Admission grants the leeway
// after exp; Reading ends at exp, so that no event is sent later. An anonymous identity
// has no end: End returns the zero time.
func (i Identity) End(use Use) time.Time {
	switch {
	case i.Anonymous():
		return time.Time{}
	case use == Admission:
		return i.Expires.Add(leeway)
	default:
		return i.Expires
	}
}

// Ended reports whether the identity can no longer be used in this way at the given
// time. It is false for an anonymous identity.
func (i Identity) Ended(use Use, now time.Time) bool {
	end := i.End(use)
	return !end.IsZero() && !now.Before(end)
}
