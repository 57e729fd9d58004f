package api

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/tidings-live/tidings/store"
)

// encodePlace returns the parameter after of the page that follows a comment. It is
// opaque to clients: base64url of the sort, the time in microseconds and the id.
func encodePlace(sort string, c store.Comment) string {
	text := sort + "." + strconv.FormatInt(c.CreatedAt.UnixMicro(), 10) + "." + idText(c.ID)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// decodePlace reads the parameter after. It returns the problem malformed if the value is
// not one of encodePlace for the same sort.
func decodePlace(sort, s string) (store.Place, error) {
	invalid := problemMalformed.with("after is not the next of a page with this sort")
	text, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return store.Place{}, invalid
	}
	parts := strings.Split(string(text), ".")
	if len(parts) != 3 || parts[0] != sort {
		return store.Place{}, invalid
	}
	micros, err := strconv.ParseInt(parts[1], 10, 64)
	at := time.UnixMicro(micros)
	if err != nil || at.Year() < 1 || at.Year() > 9999 { // Postgres holds these years
		return store.Place{}, invalid
	}
	id, err := parseRowID(parts[2])
	if err != nil {
		return store.Place{}, invalid
	}
	return store.Place{CreatedAt: at, ID: id}, nil
}
