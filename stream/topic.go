package stream

import (
	"errors"
	"fmt"
	"strings"
)

// The errors of the parsers of this package wrap these.
var (
	ErrTopic = errors.New("invalid topic")
	ErrName  = errors.New("invalid event name")
	ErrID    = errors.New("invalid id")
)

// The length limits of ids, in bytes.
const (
	MaxPostIDBytes = 512 // of posts, which are often addresses
	MaxIDBytes     = 255 // of users and of all other things
)

// postKind is the kind of topics whose ids are those of posts.
const postKind = "post"

const (
	maxKindBytes = 32
	maxNameBytes = 64
)

// A Topic is what readers subscribe to: "<kind>:<id>", like post:42. It comes only from
// [ParseTopic] or [NewTopic], so it contains no space and no control character. Topics
// are equal if their bytes are equal.
type Topic struct{ text string }

// ParseTopic reads "<kind>:<id>". A kind is 1 to 32 bytes of a–z, 0–9 and "-", beginning
// with a letter. [ValidPostID] has the rules of the id after post, and [ValidID] those of
// other ids. The error wraps [ErrTopic].
func ParseTopic(s string) (Topic, error) {
	kind, id, ok := strings.Cut(s, ":")
	if !ok {
		return Topic{}, fmt.Errorf("%w: want <kind>:<id>", ErrTopic)
	}
	return NewTopic(kind, id)
}

// NewTopic joins a kind and an id under the rules of [ParseTopic].
func NewTopic(kind, id string) (Topic, error) {
	if !validKind(kind) {
		return Topic{}, fmt.Errorf("%w: the kind is not 1 to %d of a-z 0-9 - after a letter", ErrTopic, maxKindBytes)
	}
	valid := ValidID
	if kind == postKind {
		valid = ValidPostID
	}
	if err := valid(id); err != nil {
		return Topic{}, fmt.Errorf("%w: %w", ErrTopic, err)
	}
	return Topic{kind + ":" + id}, nil
}

func validKind(s string) bool {
	if s == "" || len(s) > maxKindBytes || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return only(s, func(c byte) bool { return lowerOrDigit(c) || c == '-' })
}

// ValidID returns an error if s is no valid id of a user, or of another thing that is not
// a post. An id is 1 to 255 bytes of the characters of a URL (RFC 3986), % and |. These are
// no ids: "." and "..", which clients resolve as folders of a path, "-", which stands in a
// path for an id in the query, and "*". The error wraps [ErrID].
func ValidID(s string) error { return validID(s, MaxIDBytes) }

// ValidPostID returns an error if s is no valid id of a post: an id as [ValidID] describes
// it, of 1 to 512 bytes. The error wraps [ErrID].
func ValidPostID(s string) error { return validID(s, MaxPostIDBytes) }

// idMarks are the characters of ids that are neither letters nor digits.
const idMarks = "-._~:/?#[]@!$&'()*+,;=%|"

func validID(s string, most int) error {
	switch {
	case s == "" || len(s) > most:
		return fmt.Errorf("%w: want 1 to %d bytes", ErrID, most)
	case s == "." || s == ".." || s == "-" || s == "*":
		return fmt.Errorf("%w: %q has another meaning", ErrID, s)
	case !only(s, idByte):
		return fmt.Errorf("%w: want only A-Z a-z 0-9 %s", ErrID, idMarks)
	}
	return nil
}

func idByte(c byte) bool {
	return lowerOrDigit(c) || c >= 'A' && c <= 'Z' || strings.IndexByte(idMarks, c) >= 0
}

func lowerOrDigit(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func only(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

// Kind is the part before the colon.
func (t Topic) Kind() string {
	kind, _, _ := strings.Cut(t.text, ":")
	return kind
}

// ID is the part after the colon.
func (t Topic) ID() string {
	_, id, _ := strings.Cut(t.text, ":")
	return id
}

// String is the whole topic.
func (t Topic) String() string { return t.text }

// MarshalText writes the topic's text, so that JSON holds it as a string.
func (t Topic) MarshalText() ([]byte, error) { return []byte(t.text), nil }
