package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// notificationStore is the part of *store.Store that the handlers of notifications need.
type notificationStore interface {
	Notifications(ctx context.Context, q store.NotificationQuery) (store.NotificationList, error)
	MarkRead(ctx context.Context, user string, ids []int64) (unread int64, err error)
	MarkAllRead(ctx context.Context, user string) (unread int64, err error)
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
// (20 by default), newest first; unread=1 leaves out those that are read. The answer has a weak
// ETag, and If-None-Match is answered 304. Problems: unauthenticated, malformed.
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
	tag, err := answer.tag()
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", tag)
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-cache")
	if hasTag(c, tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return sendJSON(c, http.StatusOK, answer)
}

// tag returns the ETag of an answer. The cursor is no part of it: a stream from an older cursor
// continues the same list.
func (l notificationListJSON) tag() (string, error) {
	l.Cursor = stream.Cursor{}
	return tagOf(l)
}

// read answers POST /v1/notifications/read, body {ids} or {all: true}, with the number of unread
// notifications that are left. ids has up to 100 ids. The id of a like stands for the likes of the
// same post or comment up to it; ids that the user has no notification with are ignored. It is
// idempotent. Problems: unauthenticated, unknown_field, invalid (more ids, both or neither).
func (h *notificationHandlers) read(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	var in struct {
		IDs *[]string `json:"ids"`
		All bool      `json:"all"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	if (in.IDs != nil) == in.All {
		return problemInvalid.with("give either ids or all: true")
	}
	var unread int64
	if in.All {
		unread, err = h.store.MarkAllRead(c.Request().Context(), who.Subject)
	} else {
		unread, err = h.readSome(c, who, *in.IDs)
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]int64{"unread": unread})
}

// readSome marks the notifications with these ids.
func (h *notificationHandlers) readSome(c echo.Context, who auth.Identity, texts []string) (unread int64, err error) {
	if len(texts) > maxPageSize {
		return 0, problemInvalid.with(fmt.Sprintf("ids has %d ids: %d is the most, or all: true", len(texts), maxPageSize))
	}
	ids := make([]int64, len(texts))
	for i, text := range texts {
		if ids[i], err = parseRowID(text); err != nil {
			return 0, problemInvalid.with(fmt.Sprintf("ids/%d is not an id of a notification", i))
		}
	}
	return h.store.MarkRead(c.Request().Context(), who.Subject, ids)
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
	Count     int64    `json:"count,omitempty"` // of kind like: the number of other users who like it
	More      bool     `json:"more,omitempty"`  // others may have followed without a notification
	CreatedAt string   `json:"createdAt"`
	ReadAt    *string  `json:"readAt"`
}

func viewNotification(n store.Notification) notificationJSON {
	return notificationJSON{
		ID: idText(n.ID), Kind: n.Kind, PostID: n.PostID, CommentID: optionalID(n.CommentID),
		Actor: viewUser(n.Actor), Count: n.Count, More: n.More, CreatedAt: timestamp(n.CreatedAt), ReadAt: optionalTimestamp(n.ReadAt),
	}
}
