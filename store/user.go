package store

// A User is a user of the site, as the last token or row described it.
type User struct {
	ID        string
	Name      string
	AvatarURL *string
}

func userKey(u User) string { return "user:" + u.ID }

// lockKeys are the keys of a write that locks the rows of a post and of a user: their
// foreign keys, and the user's row when its name or avatar changes.
func lockKeys(post string, u User) []string { return []string{"post:" + post, userKey(u)} }
