package auth

import "time"

// A Clock decides when a token begins and ends. Admission of requests, waiting polls, open
// streams and tickets all ask it, so a token that one of them accepts is accepted by all.
type Clock struct {
	// Leeway is by how much the clock of the token's issuer may differ from ours. A token
	// is accepted from Leeway before nbf until Leeway after exp.
	Leeway time.Duration
}

// End returns when the identity's token can no longer be used. An anonymous identity has
// no end: End returns the zero time.
func (c Clock) End(i Identity) time.Time {
	if i.Anonymous() {
		return time.Time{}
	}
	return i.Expires.Add(c.Leeway)
}

// Ended reports whether the identity's token can no longer be used at the given time. It
// is false for an anonymous identity.
func (c Clock) Ended(i Identity, now time.Time) bool {
	end := c.End(i)
	return !end.IsZero() && !now.Before(end)
}

// begun reports whether a token with this nbf claim can be used at the given time.
func (c Clock) begun(notBefore, now time.Time) bool {
	return !now.Before(notBefore.Add(-c.Leeway))
}
