package store

// A User is somebody of the site, as the token or the row last said.
type User struct {
	ID        string
	Name      string
	AvatarURL *string
}
