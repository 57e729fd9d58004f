package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// Notifications is what the handler of notifications needs of the store.
type Notifications interface {
	Notifications(ctx context.Context, q store.NotificationQuery) (store.NotificationList, error)
}

type notificationListJSON struct {
	Data   []notificationJSON `json:"data"`
	Page   pageJSON           `json:"page"`
	Unread int64              `json:"unread"`
	Cursor stream.Cursor      `json:"cursor"`
}

func (s *Server) listNotifications(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	q, err := notificationQuery(c, who)
	if err != nil {
		return err
	}
	list, err := s.store.Notifications(c.Request().Context(), q)
	if err != nil {
		return err
	}
	answer := notificationListJSON{
		Data: make([]notificationJSON, len(list.Notifications)), Unread: list.Unread, Cursor: list.Cursor,
	}
	for i, n := range list.Notifications {
		answer.Data[i] = viewNotification(n)
	}
	if list.More {
		next := answer.Data[len(answer.Data)-1].ID
		answer.Page = pageJSON{Next: &next, More: true}
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, answer)
}

func notificationQuery(c echo.Context, who auth.Identity) (q store.NotificationQuery, err error) {
	q.User = who.Subject
	values := query(c)
	if q.Unread, err = flag(values, "unread"); err != nil {
		return q, err
	}
	if q.Limit, err = number(values, "limit", defaultPageSize, 1, maxPageSize); err != nil {
		return q, err
	}
	after, err := single(values, "after")
	if err != nil || after == "" {
		return q, err
	}
	if q.Before, err = parseRowID(after); err != nil {
		return q, problemMalformed.with("after is not the next of a page")
	}
	return q, nil
}
