package api

import (
	"cmp"
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
	who     auth.Identity // the zero Identity for an anonymous request
	ignored error         // why the request's cookie counts as absent; nil without one
	query   url.Values
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
		return who, anonymous(c, "this needs a token, as Authorization: Bearer or in the cookie "+auth.CookieName)
	}
	return who, nil
}

// anonymous returns the problem unauthenticated with a detail, and with the reason why the
// request's cookie was not used.
func anonymous(c echo.Context, detail string) *Problem {
	p := problemAnonymous.with(detail)
	explainCookie(c, p)
	return p
}

// explainCookie adds to the problem unauthenticated why the request's cookie was not used. It
// changes nothing if there is no cookie, or if err is another error.
func explainCookie(c echo.Context, err error) {
	found, _ := c.Get(callKey).(call)
	var p *Problem
	var ignored *auth.Error
	if !errors.As(found.ignored, &ignored) || !errors.As(err, &p) || p.Code != problemAnonymous.Code {
		return
	}
	p.Detail += "; the cookie was not used: " + ignored.Detail
	p.Reason = string(ignored.Reason)
}

// authenticate is the middleware of all /v1/ routes: it parses the query and verifies
// the token, if there is one. It answers malformed for an unreadable query or a token in
// the URL, and invalid_token for an unusable bearer token, also on routes that need no
// user. An unusable cookie counts as absent.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		values, err := parseQuery(c.Request().URL.RawQuery)
		if err != nil {
			return err
		}
		who, ignored, err := s.auth.Authenticate(c.Request())
		if refused := cmp.Or(err, ignored); refused != nil {
			s.logger.LogAttrs(c.Request().Context(), slog.LevelDebug, "token refused",
				slog.String("request_id", c.Response().Header().Get(echo.HeaderXRequestID)),
				slog.Bool("cookie", err == nil), slog.Any("err", refused))
		}
		if err != nil {
			return err
		}
		c.Set(callKey, call{who, ignored, values})
		return next(c)
	}
}

// userOf returns the identity as the author of a write.
func userOf(who auth.Identity) store.User {
	return store.User{ID: who.Subject, Name: who.Name, AvatarURL: who.Picture, Issued: who.Issued}
}

// viewerOf returns the identity as events show users that type or read.
func viewerOf(who auth.Identity) awareness.User {
	return awareness.User{ID: who.Subject, Name: who.DisplayName()}
}
