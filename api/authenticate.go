package api

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// CookieName is the cookie that may carry the token.
const CookieName = "tidings_token"

const identityKey = "identity"

// identity is who asks, as authenticate found out.
func identity(c echo.Context) Identity {
	i, _ := c.Get(identityKey).(Identity)
	return i
}

// signedIn is who asks, or the problem that it is nobody.
func signedIn(c echo.Context) (Identity, error) {
	i := identity(c)
	if i.anonymous() {
		return i, problemAnonymous.with("this needs a token, as Authorization: Bearer or in the cookie " + CookieName)
	}
	return i, nil
}

// authenticate reads the token, if there is one. A bad token is refused also where
// none is needed: falling back to nobody would hide that it ended.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, err := query(c); err != nil { // a token in any URL is refused
			return err
		}
		token, err := s.tokenOf(c.Request())
		if err != nil {
			return err
		}
		if token != "" {
			i, err := s.verifier.Verify(token)
			if err != nil {
				s.logger.LogAttrs(c.Request().Context(), slog.LevelDebug, "token refused", slog.Any("err", err))
				return problemToken.with("it is malformed, expired, or not from this site")
			}
			c.Set(identityKey, i)
		}
		return next(c)
	}
}

// tokenOf finds the token: the header wins over the cookie, which any page of any
// site sends along and which therefore counts only from pages that are allowed.
func (s *Server) tokenOf(r *http.Request) (string, error) {
	switch headers := r.Header.Values(echo.HeaderAuthorization); {
	case len(headers) > 1:
		return "", problemMalformed.with("more than one Authorization header")
	case len(headers) == 1:
		scheme, token, _ := strings.Cut(headers[0], " ")
		token = strings.TrimSpace(token)
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", problemToken.with("Authorization is not Bearer <token>")
		}
		return token, nil
	}
	cookie, err := r.Cookie(CookieName)
	if err != nil || cookie.Value == "" {
		return "", nil
	}
	if !s.origins.trustsCookie(r) {
		return "", problemOrigin.with("a cookie counts only from an allowed Origin, or from a page of this origin (Sec-Fetch-Site: same-origin)")
	}
	return cookie.Value, nil
}
