package awareness

import (
	"slices"
	"strings"

	"github.com/tidings-live/tidings/stream"
)

// A User is a signed-in user, as events show users that type or read.
type User struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// sortUsers sorts users by id.
func sortUsers(users []User) {
	slices.SortFunc(users, func(a, b User) int { return strings.Compare(a.ID, b.ID) })
}

// A Broadcaster sends an ephemeral event to the readers that are live. A [stream.Hub]
// is one. Broadcast must not block.
type Broadcaster interface {
	Broadcast(e stream.Event)
}
