package api

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidings-live/tidings/stream"
)

const (
	maxNameRunes  = 200
	maxPictureLen = 2000
	guestPrefix   = "guest:" // of user ids that Tidings will give itself
)

// latest is the last second that a claim may name, in the year 9999. A token whose
// times are in milliseconds would never end, and larger numbers wrap around.
const latest = 253402300799

// identityOf reads the claims of a token that was verified. They are found by their
// exact names (RFC 7519 section 4); of another type than they should be, they make
// the token bad.
func identityOf(found jwt.MapClaims) (Identity, error) {
	for _, name := range []string{"exp", "nbf", "iat"} {
		if seconds, _ := found[name].(float64); seconds > latest {
			return Identity{}, fmt.Errorf("%s is after the year 9999", name)
		}
	}
	sub, errSub := textClaim(found, "sub")
	name, errName := textClaim(found, "name")
	picture, errPicture := textClaim(found, "picture")
	roles, errRoles := rolesClaim(found)
	if err := errors.Join(errSub, errName, errPicture, errRoles); err != nil {
		return Identity{}, err
	}
	if err := stream.ValidID(sub); err != nil {
		return Identity{}, fmt.Errorf("sub: %w", err)
	}
	if strings.HasPrefix(sub, guestPrefix) {
		return Identity{}, fmt.Errorf("sub begins with %q, which is reserved", guestPrefix)
	}
	expires, err := found.GetExpirationTime()
	if err != nil || expires == nil {
		return Identity{}, errors.Join(errors.New("exp is missing"), err)
	}
	return Identity{
		Subject: sub,
		Name:    displayName(name, sub),
		Picture: pictureURL(picture),
		Roles:   roles,
		Expires: expires.Time,
	}, nil
}

// textClaim is a string claim, "" when it is absent or null.
func textClaim(found jwt.MapClaims, name string) (string, error) {
	text, ok := found[name].(string)
	if !ok && found[name] != nil {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return text, nil
}

func rolesClaim(found jwt.MapClaims) (roles []string, err error) {
	list, ok := found["roles"].([]any)
	if !ok && found["roles"] != nil {
		return nil, errors.New("roles is not an array")
	}
	for _, item := range list {
		role, ok := item.(string)
		if !ok {
			return nil, errors.New("roles holds something that is not a string")
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// displayName is the name without control characters, shortened; the id when
// nothing is left.
func displayName(name, id string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, name))
	if runes := []rune(name); len(runes) > maxNameRunes {
		name = string(runes[:maxNameRunes])
	}
	if name == "" {
		return id
	}
	return name
}

// pictureURL is an absolute http(s) URL, else none. It is measured as it will be
// stored: what is not ASCII grows threefold.
func pictureURL(s string) *string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil
	}
	if s = u.String(); len(s) > maxPictureLen {
		return nil
	}
	return &s
}
