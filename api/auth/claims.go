package auth

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
	maxNameRunes    = 200
	maxPictureBytes = 2000
	guestPrefix     = "guest:" // reserved for user ids that Tidings itself will give
)

// maxSeconds is the last second of the year 9999, the largest time that a claim may
// have. It refuses tokens with times in milliseconds, which would never expire, and
// numbers that overflow.
const maxSeconds = 253402300799

// identityOf reads the claims of a token whose signature was verified. Names of claims
// are compared exactly (RFC 7519 section 4). A claim of the wrong type is an error; an
// unusable name or picture is not, because both are decoration.
func identityOf(found jwt.MapClaims) (Identity, error) {
	for _, name := range []string{"exp", "nbf", "iat"} {
		if seconds, _ := found[name].(float64); seconds > maxSeconds {
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

// textClaim returns a string claim, "" if it is absent or null.
func textClaim(found jwt.MapClaims, name string) (string, error) {
	text, ok := found[name].(string)
	if !ok && found[name] != nil {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return text, nil
}

// rolesClaim returns the roles claim, an array of strings; nil if it is absent or null.
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

// displayName returns the name without control and format characters, cut to 200
// characters. If nothing remains, it returns the id.
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

// pictureURL returns s if it is an absolute http or https URL of at most 2,000 bytes,
// else nil. The length is that of the escaped form, which is what is stored: escaping
// makes a byte that is not ASCII three times as long.
func pictureURL(s string) *string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil
	}
	if s = u.String(); len(s) > maxPictureBytes {
		return nil
	}
	return &s
}
