package auth

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidings-live/tidings/stream"
)

const (
	maxPictureBytes = 2000
	guestPrefix     = "guest:" // reserved for user ids that Tidings itself will give
)

// maxSeconds is the last second of the year 9999, the largest time that a claim may
// have. It refuses tokens with times in milliseconds, which would never expire, and
// numbers that overflow.
const maxSeconds = 253402300799

// check judges the claims of a token whose signature was verified, and returns the
// identity that they name. Names of claims are compared exactly (RFC 7519 section 4). A
// claim of the wrong type is an error; an unusable name or picture is not, because both
// are decoration. Each error is an [Error] of kind [ErrToken].
func (v *Verifier) check(found jwt.MapClaims, now time.Time) (Identity, error) {
	who, err := identityOf(found, now)
	if err != nil {
		return Identity{}, refused(ReasonMalformed, err)
	}
	notBefore, errNotBefore := timeClaim(found, "nbf")
	subject, errSubject := subjectOf(found)
	switch {
	case errNotBefore != nil:
		return Identity{}, refused(ReasonMalformed, errNotBefore)
	case found["exp"] == nil:
		return Identity{}, refused(ReasonNoExp, nil)
	case v.issuer != "" && found["iss"] != v.issuer:
		return Identity{}, refused(ReasonIssuer, fmt.Errorf("iss is %v", found["iss"]))
	case v.audience != "" && !names(found["aud"], v.audience):
		return Identity{}, refused(ReasonAudience, fmt.Errorf("aud is %v", found["aud"]))
	case errSubject != nil:
		return Identity{}, refused(ReasonSubject, errSubject)
	}
	who.Subject = subject // from here on, who is not anonymous and has an end
	switch {
	case v.clock.Ended(who, now):
		return Identity{}, refused(ReasonExpired, fmt.Errorf("exp is %v", who.Expires))
	case !v.clock.begun(notBefore, now):
		return Identity{}, refused(ReasonNotYet, fmt.Errorf("nbf is %v", notBefore))
	}
	return who, nil
}

// identityOf reads the claims that fail only by their type. The identity has no subject
// yet.
func identityOf(found jwt.MapClaims, now time.Time) (Identity, error) {
	expires, errExpires := timeClaim(found, "exp")
	issued, errIssued := timeClaim(found, "iat")
	name, errName := textClaim(found, "name")
	picture, errPicture := textClaim(found, "picture")
	roles, errRoles := listClaim(found, "roles")
	topics, errTopics := listClaim(found, "topics")
	if err := errors.Join(errExpires, errIssued, errName, errPicture, errRoles, errTopics); err != nil {
		return Identity{}, err
	}
	if issued.After(now) { // the issuer's clock is ahead; see Identity.Issued
		issued = now
	}
	return Identity{
		Name: displayName(name), Picture: pictureURL(picture), Roles: roles, Topics: topics,
		Expires: expires, Issued: issued,
	}, nil
}

// subjectOf returns the claim sub, which must be a valid user id.
func subjectOf(found jwt.MapClaims) (string, error) {
	sub, err := textClaim(found, "sub")
	if err != nil {
		return "", err
	}
	if err := stream.ValidID(sub); err != nil {
		return "", err
	}
	if strings.HasPrefix(sub, guestPrefix) {
		return "", fmt.Errorf("sub begins with %q, which is reserved", guestPrefix)
	}
	return sub, nil
}

// names reports whether the claim aud, a string or an array of strings, has a value.
func names(claim any, value string) bool {
	list, ok := claim.([]any)
	if !ok {
		return claim == value
	}
	return slices.Contains(list, any(value))
}

// timeClaim returns a claim in seconds since 1970, which may have a fraction (RFC 7519
// section 2). It returns the zero time if the claim is absent or null.
func timeClaim(found jwt.MapClaims, name string) (time.Time, error) {
	seconds, ok := found[name].(float64)
	switch {
	case found[name] == nil:
		return time.Time{}, nil
	case !ok:
		return time.Time{}, fmt.Errorf("%s is not a number", name)
	case seconds > maxSeconds:
		return time.Time{}, fmt.Errorf("%s is after the year 9999", name)
	}
	whole, fraction := math.Modf(max(0, seconds)) // before 1970 is as long ago as 1970
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}

// textClaim returns a string claim, "" if it is absent or null.
func textClaim(found jwt.MapClaims, name string) (string, error) {
	text, ok := found[name].(string)
	if !ok && found[name] != nil {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return text, nil
}

// listClaim returns a claim that is an array of strings, nil if it is absent or null.
func listClaim(found jwt.MapClaims, name string) (texts []string, err error) {
	list, ok := found[name].([]any)
	if !ok && found[name] != nil {
		return nil, fmt.Errorf("%s is not an array", name)
	}
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("%s holds something that is not a string", name)
		}
		texts = append(texts, text)
	}
	return texts, nil
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
