package store

import "time"

// A User is a user of the site, as a row or a token describes it.
type User struct {
	ID        string
	Name      string  // "" if a token has none; a row always has one
	AvatarURL *string // nil if there is none

	// Issued is when the token was issued, for a user that a token describes. Of two
	// tokens, the one that was issued later has the user's current name and avatar. Zero:
	// the token does not say.
	Issued time.Time
}

func userKey(u User) string { return "user:" + u.ID }
