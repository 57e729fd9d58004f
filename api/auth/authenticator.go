package auth

import (
	"net/http"
	"strings"
)

// CookieName is the cookie that may carry the token.
const CookieName = "tidings_token"

// An Authenticator finds the token of a request and verifies it.
type Authenticator struct {
	Verifier *Verifier
	Origins  Origins
}

// Authenticate returns the identity of the request's token; the zero Identity if it
// has none. It returns an [Error] for a bearer token that cannot be used.
//
// A cookie that cannot be used counts as absent, so that it takes nothing away that is
// public: the browser sends it whether or not the page knows of it. ignored is then the
// [Error] that says why, for the log and for the answer of a call that needs a user.
func (a Authenticator) Authenticate(r *http.Request) (who Identity, ignored, err error) {
	token, found, err := bearer(r)
	if err != nil {
		return Identity{}, nil, err
	}
	if found {
		who, err = a.Verifier.Verify(token)
		return who, nil, err
	}
	who, ignored = a.fromCookie(r)
	return who, ignored, nil
}

// bearer returns the token of the header Authorization (RFC 6750 section 2.1). Other
// schemes are for other servers, such as a proxy that asks for a password: they are
// ignored.
func bearer(r *http.Request) (token string, found bool, err error) {
	for _, header := range r.Header.Values("Authorization") {
		value, ok := bearerValue(header)
		if !ok {
			continue
		}
		if found {
			return "", false, &Error{Kind: ErrMalformed, Detail: "more than one Authorization: Bearer"}
		}
		token, found = value, true
	}
	return token, found, nil
}

// bearerValue returns what follows the scheme Bearer, and whether that is the scheme.
func bearerValue(header string) (value string, ok bool) {
	scheme := header
	if end := strings.IndexAny(header, " \t"); end >= 0 {
		scheme, value = header[:end], strings.Trim(header[end:], " ")
	}
	return value, strings.EqualFold(scheme, "Bearer")
}

// HasBearer reports whether the request has an Authorization header of the scheme Bearer.
func HasBearer(r *http.Request) bool {
	_, found, err := bearer(r)
	return found || err != nil
}

// fromCookie returns the identity of the first cookie whose token can be used. A browser
// sends several cookies of one name if they were set for different paths or domains.
func (a Authenticator) fromCookie(r *http.Request) (who Identity, ignored error) {
	for _, cookie := range r.CookiesNamed(CookieName) {
		if cookie.Value == "" {
			continue
		}
		if !a.Origins.TrustsCookie(r) {
			return Identity{}, &Error{Kind: ErrOrigin, Detail: "it came from a page of another origin"}
		}
		who, err := a.Verifier.Verify(cookie.Value)
		if err == nil {
			return who, nil
		}
		if ignored == nil {
			ignored = err
		}
	}
	return Identity{}, ignored
}
