package api

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-live/tidings/store"
)

// topLists begin the names of the lists whose order is that of likes.
const topLists = string(store.Top) + "-"

// listName is the name of the list of a post with a sort. It has a hash of the post's id, which may
// be long and have any character.
func listName(q store.ListQuery) string {
	name := string(q.Sort)
	if q.Flat {
		name = "flat-" + name
	}
	sum := sha256.Sum256([]byte(q.PostID))
	return name + "-" + base64.RawURLEncoding.EncodeToString(sum[:9])
}

// encodePlace returns the parameter after of the page that follows a comment. It is opaque to
// clients: base64url of the name of the list, which stands for its post, order and filter, whether the
// comment is pinned, its time in microseconds or its likes, and its id.
func encodePlace(list string, p store.Place) string {
	group, value := "-", p.At.UnixMicro()
	switch {
	case p.Pinned:
		group = "pinned"
	case strings.HasPrefix(list, topLists):
		value = p.Likes
	}
	text := strings.Join([]string{list, group, strconv.FormatInt(value, 10), idText(p.ID)}, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// decodePlace reads the parameter after. It returns the problem malformed if the value is
// not one of encodePlace for the same list.
func decodePlace(list, s string) (store.Place, error) {
	invalid := problemMalformed.with("after is not the next of a page of this list with this sort and filter")
	text, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return store.Place{}, invalid
	}
	parts := strings.Split(string(text), ".")
	if len(parts) != 4 || parts[0] != list || parts[1] != "-" && parts[1] != "pinned" {
		return store.Place{}, invalid
	}
	value, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return store.Place{}, invalid
	}
	id, err := parseRowID(parts[3])
	if err != nil {
		return store.Place{}, invalid
	}
	place := store.Place{Pinned: parts[1] == "pinned", ID: id}
	if strings.HasPrefix(list, topLists) && !place.Pinned {
		place.Likes = value
		return place, nil
	}
	place.At = time.UnixMicro(value)
	if place.At.Year() < 1 || place.At.Year() > 9999 { // Postgres holds these years
		return store.Place{}, invalid
	}
	return place, nil
}
