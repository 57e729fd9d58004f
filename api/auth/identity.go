package auth

import (
	"slices"
	"time"
)

// The roles that Tidings gives a meaning to. A token may have others.
const (
	RoleService   = "service"   // another program of the site
	RoleAdmin     = "admin"     // may put posts, and do all that a moderator may do
	RoleModerator = "moderator" // may delete the comments of all users
)

// An Identity is the user that a request speaks for, as the claims of a token name
// them. The zero Identity is an anonymous user. Its JSON is stored with tickets.
type Identity struct {
	Subject string    `json:"sub"`               // user id; passes stream.ValidID
	Name    string    `json:"name"`              // 1 to 200 characters, none of them a control character
	Picture *string   `json:"picture,omitempty"` // absolute http or https URL of at most 2,000 bytes
	Roles   []string  `json:"roles,omitempty"`
	Expires time.Time `json:"exp"` // the exp claim of the token; see End
}

// Anonymous reports whether the request had no credential.
func (i Identity) Anonymous() bool { return i.Subject == "" }

// Is reports whether the identity has at least one of the roles.
func (i Identity) Is(roles ...string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(i.Roles, role) })
}
