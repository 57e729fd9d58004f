package api

import (
	"errors"
	"log/slog"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/awareness"
)

// callKey is the only key that this package sets in an Echo context. Its value is a call.
const callKey = "tidings"

// A call is what the authenticate middleware reads from a request, once for all that
// follows.
type call struct {
	who   auth.Identity // the zero Identity for an anonymous request
	query url.Values
}

// identity returns the user that the request speaks for. It is the zero Identity on
// routes without authentication.
func identity(c echo.Context) auth.Identity {
	found, _ := c.Get(callKey).(call)
	return found.who
}

// query returns the parsed query. It is nil on routes without authentication.
func query(c echo.Context) url.Values {
	found, _ := c.Get(callKey).(call)
	return found.query
}

// signedIn returns the user that the request speaks for, or the problem
// unauthenticated.
func signedIn(c echo.Context) (auth.Identity, error) {
	who := identity(c)
	if who.Anonymous() {
		return who, problemAnonymous.with("this needs a token, as Authorization: Bearer or in the cookie " + auth.CookieName)
	}
	return who, nil
}

// authenticate is the middleware of all /v1/ routes: it parses the query and verifies
// the token, if there is one. It answers malformed for an unreadable query or a token in
// the URL, invalid_token for an unusable token and forbidden_origin for a cookie of a
// foreign page, also on routes that need no user.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		values, err := parseQuery(c.Request().URL.RawQuery)
		if err != nil {
			return err
		}
		who, err := s.auth.Authenticate(c.Request())
		if err != nil {
			if errors.Is(err, auth.ErrToken) {
				s.logger.LogAttrs(c.Request().Context(), slog.LevelDebug, "token refused", slog.Any("err", err))
			}
			return err
		}
		c.Set(callKey, call{who, values})
		return next(c)
	}
}

// userOf returns the identity as the author of a write.
func userOf(who auth.Identity) store.User {
	return store.User{ID: who.Subject, Name: who.Name, AvatarURL: who.Picture}
}

// typistOf returns the identity as typing events show it.
func typistOf(who auth.Identity) awareness.Typist {
	return awareness.Typist{ID: who.Subject, Name: who.Name}
}
