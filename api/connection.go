package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
)

// connectionHandlers tell programs of the site how their requests reach the server.
type connectionHandlers struct{}

// A connectionJSON is what the server knows of the way that a request took. Proxies
// decide most of it.
type connectionJSON struct {
	Address        string   `json:"address"`        // the client's, by which limits count
	Peer           string   `json:"peer"`           // host:port of the other end of the connection: the client or the last proxy
	Host           string   `json:"host"`           // as the request has it
	Protocol       string   `json:"protocol"`       // of the connection to the peer, such as HTTP/1.1
	ForwardedFor   []string `json:"forwardedFor"`   // the lines of X-Forwarded-For
	ForwardedHost  []string `json:"forwardedHost"`  // the lines of X-Forwarded-Host
	ForwardedProto []string `json:"forwardedProto"` // the lines of X-Forwarded-Proto
	Via            []string `json:"via"`            // the lines of Via
}

// get answers GET /v1/connection with the facts about this very request. It needs the role
// service or admin, because the answer names addresses of the site's network. Problems:
// unauthenticated, forbidden.
func (connectionHandlers) get(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	if !who.Is(auth.RoleService, auth.RoleAdmin) {
		return problemForbidden.with("this needs the role service or admin")
	}
	r := c.Request()
	lines := func(name string) []string { return append([]string{}, r.Header.Values(name)...) }
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, connectionJSON{
		Address: c.RealIP(), Peer: r.RemoteAddr, Host: r.Host, Protocol: r.Proto,
		ForwardedFor:  lines(echo.HeaderXForwardedFor),
		ForwardedHost: lines("X-Forwarded-Host"), ForwardedProto: lines(echo.HeaderXForwardedProto), Via: lines("Via"),
	})
}
