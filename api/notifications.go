package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// notificationStore is the part of *store.Store that the handler of notifications needs.
type notificationStore interface {
	Notifications(ctx context.Context, q store.NotificationQuery) (store.NotificationList, error)
}

// notificationHandlers answer requests of users for their own notifications.
type notificationHandlers struct{ store notificationStore }

// A notificationListJSON is the answer of list. Its cursor belongs to the same snapshot as
// the notifications.
type notificationListJSON struct {
	Data   []notificationJSON `json:"data"`
	Page   pageJSON           `json:"page"`
	Unread int64              `json:"unread"`
	User   *string            `json:"user"` // id of the caller
	Cursor stream.Cursor      `json:"cursor"`
}

// list answers GET /v1/notifications with one page of 1 to 100 of the user's notifications
// (20 by default), newest first; unread=1 leaves out those that are read. Problems:
// unauthenticated, malformed.
func (h *notificationHandlers) list(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	q, err := notificationQuery(c, who)
	if err != nil {
		return err
	}
	list, err := h.store.Notifications(c.Request().Context(), q)
	if err != nil {
		return err
	}
	answer := notificationListJSON{
		Data: make([]notificationJSON, len(list.Notifications)), Unread: list.Unread, User: who.ID(), Cursor: list.Cursor,
	}
	for i, n := range list.Notifications {
		answer.Data[i] = viewNotification(n)
	}
	if list.More {
		next := answer.Data[len(answer.Data)-1].ID
		answer.Page = pageJSON{Next: &next, More: true}
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return sendJSON(c, http.StatusOK, answer)
}

// notificationQuery reads the parameters unread, limit and after.
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

// A notificationJSON shows a notification, in answers as in events.
type notificationJSON struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	PostID    string   `json:"postId"`
	CommentID *string  `json:"commentId,omitempty"`
	Actor     userJSON `json:"actor"`
	CreatedAt string   `json:"createdAt"`
	ReadAt    *string  `json:"readAt"`
}

func viewNotification(n store.Notification) notificationJSON {
	return notificationJSON{
		ID: idText(n.ID), Kind: n.Kind, PostID: n.PostID, CommentID: optionalID(n.CommentID),
		Actor: viewUser(n.Actor), CreatedAt: timestamp(n.CreatedAt), ReadAt: optionalTimestamp(n.ReadAt),
	}
}
