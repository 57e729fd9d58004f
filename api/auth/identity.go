package auth

import (
	"cmp"
	"slices"
	"time"

	"github.com/tidings-live/tidings/stream"
)

// The roles that Tidings gives a meaning to. A token may have others.
const (
	RoleService   = "service"   // another program of the site; may publish, put posts, and do all that a moderator may do
	RoleAdmin     = "admin"     // may put posts, and do all that a moderator may do
	RoleModerator = "moderator" // may edit, hide, pin and delete the comments of all users
)

// An Identity is the user that a request speaks for, as the claims of a token name
// them. The zero Identity is an anonymous user. Its JSON is stored with tickets.
type Identity struct {
	Subject string    `json:"sub"`               // user id; passes stream.ValidID
	Name    string    `json:"name,omitempty"`    // 1 to 200 characters, see displayName; "" if the token has none
	Picture *string   `json:"picture,omitempty"` // absolute http or https URL of at most 2,000 bytes
	Roles   []string  `json:"roles,omitempty"`
	Topics  []string  `json:"topics,omitempty"` // private topics that the user may read, each <kind>:<id> or <kind>:*
	Expires time.Time `json:"exp"`              // the exp claim of the token; see Clock
	// Issued is the iat claim, which orders the tokens of a user: the newer one has the
	// user's current name. A time in the future counts as now. Zero: the token has none.
	Issued time.Time `json:"iat,omitzero"`
}

// Anonymous reports whether the request had no credential.
func (i Identity) Anonymous() bool { return i.Subject == "" }

// ID returns the user id, or nil without a user, as answers show it.
func (i Identity) ID() *string {
	if i.Anonymous() {
		return nil
	}
	return &i.Subject
}

// DisplayName returns the name, or if the token has none, what of the user id fits a name.
func (i Identity) DisplayName() string {
	return cmp.Or(i.Name, i.Subject[:min(len(i.Subject), maxNameRunes)])
}

// Joins reports whether the claim topics names a topic, or all topics of its kind.
func (i Identity) Joins(topic stream.Topic) bool {
	return slices.Contains(i.Topics, topic.String()) || slices.Contains(i.Topics, topic.Kind()+":*")
}

// Is reports whether the identity has at least one of the roles.
func (i Identity) Is(roles ...string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(i.Roles, role) })
}
