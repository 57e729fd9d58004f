package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
)

// publishStore is the part of *store.Store that the handler of publish needs.
type publishStore interface {
	Publish(ctx context.Context, topic, name string, data []byte) error
	SignalEvent(ctx context.Context, topic, name string, data []byte) error
}

// publishHandlers answer requests of the site's programs to publish events.
type publishHandlers struct{ store publishStore }

// create answers POST /v1/publish, body {topic, event, data, ephemeral?}, with 204. It needs the
// role service. The log does not keep an ephemeral event, which only readers that are live
// get. The SQL functions tidings.publish and tidings.signal check the values, so that HTTP and
// SQL allow the same events. Problems: unauthenticated, forbidden, invalid, too_large.
func (h *publishHandlers) create(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	if !who.Is(auth.RoleService) {
		return problemForbidden.with("this needs the role service")
	}
	var in struct {
		Topic     string          `json:"topic"`
		Event     string          `json:"event"`
		Data      json.RawMessage `json:"data"`
		Ephemeral bool            `json:"ephemeral"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	if in.Data == nil {
		return problemInvalid.with("data is missing")
	}
	publish := h.store.Publish
	if in.Ephemeral {
		publish = h.store.SignalEvent
	}
	if err := publish(c.Request().Context(), in.Topic, in.Event, in.Data); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
