package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

// moderationStore is the part of *store.Store that the handlers of moderators need.
type moderationStore interface {
	heldStore
	SetStatus(ctx context.Context, id int64, status, by string, version *int) (store.Comment, error)
	SetPin(ctx context.Context, id int64, pin bool, by string, version *int) (store.Comment, error)
	Revisions(ctx context.Context, q store.RevisionQuery) (page []store.Revision, more bool, err error)
	Moderation(ctx context.Context, q store.ModerationQuery) (store.ModerationList, error)
}

// moderationHandlers answer requests of moderators. Each has the problems unauthenticated and
// forbidden (the user is no moderator).
type moderationHandlers struct{ store moderationStore }

// statuses are the statuses that a moderator may give to a comment.
var statuses = []string{store.StatusPublished, store.StatusPending, store.StatusRejected, store.StatusSpam, store.StatusDeleted}

// moderator returns the user of a request that only moderators may make.
func moderator(c echo.Context) (auth.Identity, error) {
	who, err := signedIn(c)
	if err == nil && !isModerator(who) {
		err = problemForbidden.with("this needs the role moderator, admin or service")
	}
	return who, err
}

// moderated returns the moderator of a request and the id of the comment in its path.
func moderated(c echo.Context) (who auth.Identity, id int64, err error) {
	if who, err = moderator(c); err == nil {
		id, err = commentID(c)
	}
	return who, id, err
}

// setStatus answers PUT /v1/comments/{id}/status, body {status}, with the comment. A deleted
// comment that gets another status gets its last text back. If-Match names the version that the client
// has seen. Problems: not_found, invalid, malformed (If-Match is no version), version_mismatch with
// the comment as it is now.
func (h *moderationHandlers) setStatus(c echo.Context) error {
	who, id, err := moderated(c)
	if err != nil {
		return err
	}
	var in struct {
		Status string `json:"status"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	if !slices.Contains(statuses, in.Status) {
		return problemInvalid.with("status is none of published, pending, rejected, spam and deleted")
	}
	version, err := ifMatch(c.Request().Header)
	if err != nil {
		return err
	}
	comment, err := h.store.SetStatus(c.Request().Context(), id, in.Status, who.Subject, version)
	if err != nil {
		return withComment(c, h.store, id, err)
	}
	return sendComment(c, http.StatusOK, comment)
}

// pin answers PUT /v1/comments/{id}/pin with the comment, which lists then show first. If-Match is
// that of setStatus. Problems: not_found, unknown_field, invalid (the comment is a reply), malformed,
// version_mismatch.
func (h *moderationHandlers) pin(c echo.Context) error { return h.setPin(c, true) }

// unpin answers DELETE /v1/comments/{id}/pin with the comment. If-Match is that of setStatus.
// Problems: not_found, unknown_field, malformed, version_mismatch.
func (h *moderationHandlers) unpin(c echo.Context) error { return h.setPin(c, false) }

func (h *moderationHandlers) setPin(c echo.Context, pin bool) error {
	who, id, err := moderated(c)
	if err != nil {
		return err
	}
	if err := noFields(c); err != nil {
		return err
	}
	version, err := ifMatch(c.Request().Header)
	if err != nil {
		return err
	}
	comment, err := h.store.SetPin(c.Request().Context(), id, pin, who.Subject, version)
	if err != nil {
		return withComment(c, h.store, id, err)
	}
	return sendComment(c, http.StatusOK, comment)
}

// A revisionJSON shows a text that a comment had.
type revisionJSON struct {
	Version    int    `json:"version"` // of the comment with this text
	Body       string `json:"body"`
	HTML       string `json:"html"`
	ReplacedAt string `json:"replacedAt"`
}

// revisions answers GET /v1/comments/{id}/revisions with one page of 1 to 100 texts (20 by
// default) that edits and deletions have replaced, newest first. A page with more than 1 MiB of
// JSON ends early. Problems: not_found, malformed.
func (h *moderationHandlers) revisions(c echo.Context) error {
	_, id, err := moderated(c)
	if err != nil {
		return err
	}
	q := store.RevisionQuery{ID: id}
	if q.Limit, err = number(query(c), "limit", defaultPageSize, 1, maxPageSize); err != nil {
		return err
	}
	if q.After, err = number(query(c), "after", 0, 1, 1<<31-1); err != nil {
		return err
	}
	page, more, err := h.store.Revisions(c.Request().Context(), q)
	if err != nil {
		return err
	}
	answer := struct {
		Data []revisionJSON `json:"data"`
		Page pageJSON       `json:"page"`
	}{Data: []revisionJSON{}}
	size := 0
	for i, r := range page {
		v := revisionJSON{r.Version, r.Body, r.HTML, timestamp(r.ReplacedAt)}
		if size += commentBytes + jsonSize(v.Body) + jsonSize(v.HTML); size > maxAnswerBytes && i > 0 {
			more = true
			break
		}
		answer.Data = append(answer.Data, v)
	}
	if more {
		next := strconv.Itoa(answer.Data[len(answer.Data)-1].Version)
		answer.Page = pageJSON{Next: &next, More: true}
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-store")
	return sendJSON(c, http.StatusOK, answer)
}

// list answers GET /v1/moderation?status= with one page of 1 to 100 comments (20 by default) of
// all posts with this status (pending by default), oldest first, and with the number of pending
// comments. A page with more than 1 MiB of JSON ends early. The event moderation keeps it up to
// date from its cursor on. Problem: malformed.
func (h *moderationHandlers) list(c echo.Context) error {
	who, err := moderator(c)
	if err != nil {
		return err
	}
	values := query(c)
	q := store.ModerationQuery{Status: store.StatusPending}
	if values.Has("status") {
		if q.Status, err = single(values, "status"); err != nil {
			return err
		}
	}
	if q.Status == store.StatusPublished || !slices.Contains(statuses, q.Status) {
		return problemMalformed.with("status is none of pending, rejected, spam and deleted")
	}
	name := "moderation-" + q.Status
	if q.Limit, q.After, err = pageOf(values, name); err != nil {
		return err
	}
	list, err := h.store.Moderation(c.Request().Context(), q)
	if err != nil {
		return err
	}
	answer := struct {
		Data    []commentJSON `json:"data"`
		Page    pageJSON      `json:"page"`
		Pending int64         `json:"pending"`
		User    *string       `json:"user"`
		Cursor  stream.Cursor `json:"cursor"`
	}{Data: []commentJSON{}, Pending: list.Pending, User: who.ID(), Cursor: list.Cursor}
	size := 0
	for i, comment := range list.Comments {
		v := viewComment(comment)
		if size += v.size(); size > maxAnswerBytes && i > 0 {
			list.More = true
			break
		}
		answer.Data = append(answer.Data, v)
	}
	if list.More {
		last := list.Comments[len(answer.Data)-1]
		next := encodePlace(name, store.Place{At: last.CreatedAt, ID: last.ID})
		answer.Page = pageJSON{Next: &next, More: true}
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-store")
	return sendJSON(c, http.StatusOK, answer)
}
