package store

// A User is a user of the site, as the last token or row described it.
type User struct {
	ID        string
	Name      string
	AvatarURL *string
}

func userKey(u User) string { return "user:" + u.ID }

// lockKeys returns the keys of a write that locks the row of a post and the row of a user:
// by its foreign keys, and by an update of the user's name or avatar.
func lockKeys(post string, u User) []string { return []string{"post:" + post, userKey(u)} }
