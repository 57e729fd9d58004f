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
// has none. It returns an [Error] for a credential that cannot be used.
func (a Authenticator) Authenticate(r *http.Request) (Identity, error) {
	token, err := a.token(r)
	if err != nil || token == "" {
		return Identity{}, err
	}
	return a.Verifier.Verify(token)
}

// token returns the token of the header Authorization (RFC 6750 section 2.1), else
// that of the cookie, else "". A header takes precedence because only a program, and
// no foreign page, can set it.
func (a Authenticator) token(r *http.Request) (string, error) {
	switch headers := r.Header.Values("Authorization"); {
	case len(headers) > 1:
		return "", &Error{Kind: ErrMalformed, Detail: "more than one Authorization header"}
	case len(headers) == 1:
		scheme, token, _ := strings.Cut(headers[0], " ")
		token = strings.TrimSpace(token)
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", &Error{Kind: ErrToken, Detail: "Authorization is not Bearer <token>"}
		}
		return token, nil
	}
	cookie, err := r.Cookie(CookieName)
	if err != nil || cookie.Value == "" {
		return "", nil
	}
	if !a.Origins.TrustsCookie(r) {
		return "", &Error{Kind: ErrOrigin, Detail: "a cookie counts only from an allowed Origin, or from a page of this origin (Sec-Fetch-Site: same-origin)"}
	}
	return cookie.Value, nil
}
