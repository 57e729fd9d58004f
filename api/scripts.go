package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/web"
)

// scriptRoutes are the routes of the scripts that pages of any site load.
func scriptRoutes() []route {
	var routes []route
	for _, script := range web.Scripts() {
		routes = append(routes, route{"GET", "/" + script.Name, func(c echo.Context) error {
			header := c.Response().Header()
			header.Set(echo.HeaderAccessControlAllowOrigin, "*")
			header.Set(echo.HeaderCacheControl, "no-cache")
			header.Set("ETag", `"`+script.Hash+`"`)
			return c.Blob(http.StatusOK, "text/javascript; charset=utf-8", script.Body)
		}})
	}
	return routes
}
