package api

import (
	"strconv"
	"time"

	"github.com/tidings-live/tidings/store"
)

// timestamp writes a time as all answers do: RFC 3339, UTC, microseconds. The SQL function
// tidings.rfc3339 writes the same, so that a comment in an event equals the comment in a
// list byte for byte.
func timestamp(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func optionalTimestamp(t *time.Time) *string {
	if t == nil {
		return nil
	}
	s := timestamp(*t)
	return &s
}

// idText writes an id as a string, because JavaScript's numbers are exact up to 2^53 only.
func idText(id int64) string { return strconv.FormatInt(id, 10) }

func optionalID(id *int64) *string {
	if id == nil {
		return nil
	}
	s := idText(*id)
	return &s
}

// parseRowID reads the id of a comment or notification. It returns [store.ErrNotFound]
// for a text that cannot be an id, because no row has it.
func parseRowID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 || idText(id) != s {
		return 0, store.ErrNotFound
	}
	return id, nil
}

// A userJSON shows the author of a comment or the actor of a notification.
type userJSON struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	AvatarURL *string `json:"avatarUrl"`
}

func viewUser(u store.User) userJSON { return userJSON{u.ID, u.Name, u.AvatarURL} }

// A pageJSON says where the next page of a list begins.
type pageJSON struct {
	Next *string `json:"next"` // the parameter after of the next page; null on the last one
	More bool    `json:"more"`
}
