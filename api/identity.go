package api

import (
	"slices"
	"time"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/awareness"
)

// An Identity is who asks. The zero Identity is nobody in particular.
type Identity struct {
	Subject string    `json:"sub"`
	Name    string    `json:"name"`
	Picture *string   `json:"picture,omitempty"`
	Roles   []string  `json:"roles,omitempty"`
	Expires time.Time `json:"exp"`
}

// The roles that mean something to Tidings.
const (
	RoleService   = "service"   // another program of the site
	RoleAdmin     = "admin"     // may put posts, and do what a moderator may
	RoleModerator = "moderator" // may take any comment back
)

func (i Identity) anonymous() bool { return i.Subject == "" }

func (i Identity) is(roles ...string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(i.Roles, role) })
}

func (i Identity) user() store.User {
	return store.User{ID: i.Subject, Name: i.Name, AvatarURL: i.Picture}
}

func (i Identity) typist() awareness.Typist {
	return awareness.Typist{ID: i.Subject, Name: i.Name}
}
