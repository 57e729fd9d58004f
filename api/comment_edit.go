package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/store"
)

// isModerator reports whether a user may change the comments of others and read hidden ones.
func isModerator(who auth.Identity) bool {
	return who.Is(auth.RoleModerator, auth.RoleAdmin, auth.RoleService)
}

// edit answers PATCH /v1/comments/{id}, body {body?, mentions?}, with the comment: for its author
// within the edit window, and for moderators. If-Match names the version that the client has
// seen.
//
// Problems: unauthenticated, not_found, forbidden (another author), too_late, invalid (the body
// or mentions), malformed (If-Match is no version), version_mismatch with the comment as it is now,
// rate_limited.
func (h *commentHandlers) edit(c echo.Context) error {
	who, err := signedIn(c)
	if err != nil {
		return err
	}
	e := store.CommentEdit{By: who.Subject, Moderator: isModerator(who), Window: h.editWindow}
	if e.ID, err = commentID(c); err != nil {
		return err
	}
	if e.Version, err = ifMatch(c.Request().Header); err != nil {
		return err
	}
	var in struct {
		Body     *string         `json:"body"`
		Mentions field[[]string] `json:"mentions"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	if in.Body != nil {
		if err := validBody(*in.Body); err != nil {
			return err
		}
	}
	if in.Mentions.Value != nil {
		if err := validMentions(*in.Mentions.Value); err != nil {
			return err
		}
	}
	e.Body, e.Mentions = in.Body, in.Mentions.Change
	charge, err := h.charges.begin(who, limit.Comments)
	if err != nil {
		return err
	}
	edited, err := h.store.EditComment(c.Request().Context(), e)
	settle(charge, err)
	if err != nil {
		return withComment(c, h.store, e.ID, err)
	}
	return sendComment(c, http.StatusOK, edited)
}

// A heldStore reads a comment for its author and for moderators, whatever its status.
type heldStore interface {
	HeldComment(ctx context.Context, id int64, viewer string) (store.Comment, error)
}

// withComment returns the error of a change of a comment. The problem version_mismatch has the
// comment as it is now.
func withComment(c echo.Context, held heldStore, id int64, cause error) error {
	if !errors.Is(cause, store.ErrVersion) {
		return cause
	}
	now, err := held.HeldComment(c.Request().Context(), id, identity(c).Subject)
	if err != nil {
		return err
	}
	problem := problemOf(cause).with(fmt.Sprintf("the comment has the version %d", now.Version))
	problem.Comment = &listedJSON{commentJSON: viewComment(now), Liked: now.Liked}
	return problem
}

// ifMatch returns the version in the header field If-Match (RFC 9110, section 13.1.1): a strong
// tag as in ETag, or * for any version. It returns nil for any, and the problem malformed for
// another value.
func ifMatch(header http.Header) (*int, error) {
	values := header.Values("If-Match")
	if len(values) == 0 || len(values) == 1 && values[0] == "*" {
		return nil, nil
	}
	digits, opened := strings.CutPrefix(values[0], `"`)
	digits, closed := strings.CutSuffix(digits, `"`)
	version, err := strconv.Atoi(digits)
	if len(values) > 1 || !opened || !closed || err != nil || version < 1 || strconv.Itoa(version) != digits {
		return nil, problemMalformed.with(`If-Match is no version: give the ETag of the comment, like "3"`)
	}
	return &version, nil
}

// tag returns the ETag of a list. It depends on what the list shows, the renderer of HTML, the
// user and the roles. Parameters need no part in it, because a client compares the tags of one
// address only.
func (h *commentHandlers) tag(c echo.Context, state store.ListState) string {
	who := identity(c)
	roles := slices.Sorted(slices.Values(who.Roles))
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %q %q %q", state.Epoch, state.Changed, h.rendered, who.Subject, roles))
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}
