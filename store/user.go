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

// lockKeys returns the keys of a write that locks the row of a post and the row of a user:
// by its foreign keys, and by an update of the user's name or avatar.
func lockKeys(post string, u User) []string { return []string{"post:" + post, userKey(u)} }
