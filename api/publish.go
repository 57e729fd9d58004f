package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
)

// Publisher is what the handler of publish needs of the store.
type Publisher interface {
	Publish(ctx context.Context, topic, name string, data []byte) error
}

// publish is tidings.publish over HTTP. The database checks the values, so that both
// ways allow the same.
func (s *Server) publish(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	if !who.Is(auth.RoleService) {
		return problemForbidden.with("this needs the role service")
	}
	var in struct {
		Topic string          `json:"topic"`
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	if in.Data == nil {
		return problemInvalid.with("data is missing")
	}
	if err := s.store.Publish(c.Request().Context(), in.Topic, in.Event, in.Data); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
