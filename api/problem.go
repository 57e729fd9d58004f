package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// problemDocs is the page that explains the codes. The type of a problem is the page with
// the code as fragment.
const problemDocs = "https://github.com/tidings-live/tidings/blob/main/docs/problems.md#"

// A Problem is the body of an error answer: problem details (RFC 9457) with members of our
// own. It is an error, which handlers return.
type Problem struct {
	Type      string `json:"type"`               // address of the code's documentation
	Title     string `json:"title"`              // the same for each problem with the code
	Status    int    `json:"status"`             // of the answer
	Detail    string `json:"detail,omitempty"`   // what is wrong with this request
	Instance  string `json:"instance,omitempty"` // path of the request
	Code      string `json:"code"`               // for programs; it never changes
	RequestID string `json:"requestId,omitempty"`

	// Reason is set for cursor_gone, as in the event stream.gap, and for refused tokens: an
	// [auth.Reason].
	Reason string `json:"reason,omitempty"`
	// From and Resumed are set for cursor_gone only. They are the same as in stream.gap.
	From    string `json:"from,omitempty"`
	Resumed string `json:"resumed,omitempty"`

	// Topics are the topics that are invalid or that the user may not read, as the request names
	// them. It is set for invalid_topic, unauthenticated and forbidden.
	Topics []string `json:"topics,omitempty"`

	// Pointer is the member of the body that unknown_field is about (RFC 6901).
	Pointer string `json:"pointer,omitempty"`

	// Comment is set for version_mismatch: the comment as it is now.
	Comment *listedJSON `json:"comment,omitempty"`

	// Listener is set by GET /readyz only.
	Listener *listenerJSON `json:"listener,omitempty"`

	challenge  string        // header field WWW-Authenticate; "" leaves it out
	rateLimit  string        // header field RateLimit; "" leaves it and RateLimit-Policy out
	ratePolicy string        // header field RateLimit-Policy
	retryAfter time.Duration // header field Retry-After; 0 leaves it out
}

// Error returns the code and the detail.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// with returns a copy with a detail. The problems below are shared, so handlers return
// copies.
func (p Problem) with(detail string) *Problem {
	p.Detail = detail
	return &p
}

// The problems, by status. docs/problems.md has a section for each code, and a test
// compares the two.
var (
	problemMalformed     = Problem{Status: 400, Code: "malformed", Title: "The request cannot be read"}
	problemCursor        = Problem{Status: 400, Code: "invalid_cursor", Title: "The cursor cannot be read"}
	problemTopic         = Problem{Status: 400, Code: "invalid_topic", Title: "The topic is not one"}
	problemID            = Problem{Status: 400, Code: "invalid_id", Title: "The id is not one"}
	problemAnonymous     = Problem{Status: 401, Code: "unauthenticated", Title: "Sign in first", challenge: `Bearer`}
	problemToken         = Problem{Status: 401, Code: "invalid_token", Title: "The token is not valid", challenge: `Bearer error="invalid_token"`}
	problemTicket        = Problem{Status: 401, Code: "invalid_ticket", Title: "The ticket is not valid", challenge: `Bearer error="invalid_token"`}
	problemForbidden     = Problem{Status: 403, Code: "forbidden", Title: "Not allowed"}
	problemOrigin        = Problem{Status: 403, Code: "forbidden_origin", Title: "The page's origin is not allowed"}
	problemHost          = Problem{Status: 403, Code: "forbidden_host", Title: "The host is not one of this server"}
	problemTooLate       = Problem{Status: 403, Code: "too_late", Title: "The time to edit the comment is over"}
	problemNotFound      = Problem{Status: 404, Code: "not_found", Title: "There is no such thing"}
	problemSwitchedOff   = Problem{Status: 404, Code: "switched_off", Title: "The server does not offer this"}
	problemMethod        = Problem{Status: 405, Code: "method_not_allowed", Title: "The method is not allowed"}
	problemNotAcceptable = Problem{Status: 406, Code: "not_acceptable", Title: "The answer has another media type"}
	problemLocked        = Problem{Status: 409, Code: "post_locked", Title: "The post takes no comments"}
	problemInFlight      = Problem{Status: 409, Code: "idempotency_key_in_flight", Title: "The first request with the key is not done yet", retryAfter: time.Second}
	problemGone          = Problem{Status: 410, Code: "cursor_gone", Title: "Events after the cursor are gone"}
	problemVersion       = Problem{Status: 412, Code: "version_mismatch", Title: "The comment has another version"}
	problemTooLarge      = Problem{Status: 413, Code: "too_large", Title: "The request is too large"}
	problemMediaType     = Problem{Status: 415, Code: "unsupported_media_type", Title: "The request has another media type"}
	problemUnknownField  = Problem{Status: 422, Code: "unknown_field", Title: "The body has a field that is not known"}
	problemInvalid       = Problem{Status: 422, Code: "invalid", Title: "A value is not allowed"}
	problemNoParent      = Problem{Status: 422, Code: "no_parent", Title: "There is no such comment to reply to"}
	problemKeyReused     = Problem{Status: 422, Code: "idempotency_key_reused", Title: "The key was used for another request"}
	problemRateLimited   = Problem{Status: 429, Code: "rate_limited", Title: "Too many requests", retryAfter: time.Second}
	problemInternal      = Problem{Status: 500, Code: "internal", Title: "Something went wrong"}
	problemUnavailable   = Problem{Status: 503, Code: "unavailable", Title: "Try again shortly", retryAfter: 2 * time.Second}
)

// Details of the problem unavailable that name what the operator of the database can change.
const (
	readOnlyDetail     = "the database is read-only for now"
	diskFullDetail     = "the database has no space left"
	noConnectionDetail = "the database has no free connection"
	noRightsDetail     = "the server's role lacks rights in the database"
)

// known maps the errors of packages stream and store to problems.
var known = []struct {
	err     error
	problem *Problem
	public  bool   // the error's text is the detail; else the problem has none
	detail  string // or this is
}{
	{stream.ErrCursor, &problemCursor, true, ""},
	{stream.ErrTopic, &problemTopic, true, ""},
	{stream.ErrName, &problemMalformed, true, ""},
	{stream.ErrID, &problemID, true, ""},
	{stream.ErrData, &problemMalformed, true, ""},
	{stream.ErrClosed, &problemUnavailable, false, ""},
	{stream.ErrNotReady, &problemUnavailable, false, ""},
	{store.ErrNotFound, &problemNotFound, false, ""},
	{store.ErrNotAuthor, &problemForbidden, true, ""},
	{store.ErrTooLate, &problemTooLate, false, ""},
	{store.ErrVersion, &problemVersion, false, ""},
	{store.ErrPostLocked, &problemLocked, false, ""},
	{store.ErrNoParent, &problemNoParent, false, ""},
	{store.ErrInFlight, &problemInFlight, false, ""},
	{store.ErrKeyReused, &problemKeyReused, false, ""},
	{store.ErrBusy, &problemUnavailable, true, ""},
	{store.ErrTicket, &problemTicket, false, ""},
	{store.ErrTooLarge, &problemTooLarge, true, ""},
	{awareness.ErrTooManyPosts, &problemUnavailable, true, ""},
	{store.ErrReadOnly, &problemUnavailable, false, readOnlyDetail},
	{store.ErrDiskFull, &problemUnavailable, false, diskFullDetail},
	{store.ErrNoConnection, &problemUnavailable, false, noConnectionDetail},
	{store.ErrNoRights, &problemUnavailable, false, noRightsDetail},
	{store.ErrUnavailable, &problemUnavailable, false, ""},
	// The client left, or closed its half of the connection and may still read.
	{context.Canceled, &problemUnavailable, false, ""},
}

// problemOf returns the problem that a client gets for an error. An error that is not
// expected here is the problem internal, without a detail.
func problemOf(err error) *Problem {
	var problem *Problem
	var routing *echo.HTTPError
	var large *http.MaxBytesError
	var invalid *store.InvalidError
	var gap *stream.GapError
	var refused *auth.Error
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &gap):
		p := problemGone.with("re-read what you show, then go on from resumed")
		p.Reason, p.From, p.Resumed = string(gap.Reason), gap.From.String(), gap.Resumed.String()
		return p
	case errors.As(err, &refused):
		return problemOfCredential(refused)
	case errors.Is(err, stream.ErrUnreadable): // before its cause, which is no fault of the request
		return problemUnavailable.with("past events cannot be read at the moment")
	case errors.As(err, &large):
		return problemTooLarge.with("at most " + strconv.FormatInt(large.Limit, 10) + " bytes")
	case errors.As(err, &invalid) && invalid.Constraint != "":
		return problemInvalid.with("it breaks the rule " + invalid.Constraint) // the text of Postgres names tables
	case errors.As(err, &invalid):
		return problemInvalid.with(invalid.Detail)
	case errors.As(err, &routing):
		return problemOfStatus(routing.Code)
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			if k.detail != "" {
				return k.problem.with(k.detail)
			}
			if k.public {
				return k.problem.with(err.Error())
			}
			return k.problem.with("")
		}
	}
	return problemInternal.with("")
}

// operatorDetail is the detail of an error that the operator of the database can end, or "".
func operatorDetail(err error) string {
	for _, k := range known {
		if k.detail != "" && errors.Is(err, k.err) {
			return k.detail
		}
	}
	return ""
}

// problemOfCredential returns the problem for a credential that was refused.
func problemOfCredential(err *auth.Error) *Problem {
	if err.Kind == auth.ErrMalformed {
		return problemMalformed.with(err.Detail)
	}
	p := problemToken.with(err.Detail)
	p.Reason = string(err.Reason)
	return p
}

// problemOfStatus returns the problem for a status of Echo's router or middleware.
func problemOfStatus(status int) *Problem {
	for _, p := range []Problem{problemNotFound, problemMethod, problemTooLarge, problemMediaType, problemRateLimited, problemUnavailable} {
		if p.Status == status {
			return p.with("")
		}
	}
	if status >= 400 && status < 500 {
		return problemMalformed.with("")
	}
	return problemInternal.with("")
}

// problemReply is the answer for an error. It is pure but for Retry-After.
func problemReply(err error, line requestLine) reply {
	p := *problemOf(err)
	p.Type = problemDocs + p.Code
	p.Instance = line.path
	p.RequestID = line.id
	header := http.Header{}
	header.Set(echo.HeaderContentType, "application/problem+json")
	header.Set(echo.HeaderCacheControl, "no-store")
	if p.challenge != "" {
		header.Set(echo.HeaderWWWAuthenticate, p.challenge)
	}
	if p.rateLimit != "" {
		header.Set("RateLimit", p.rateLimit)
		header.Set("RateLimit-Policy", p.ratePolicy)
	}
	if p.retryAfter > 0 { // spread, so that those turned away don't come back as one
		header.Set("Retry-After", strconv.Itoa(int(p.retryAfter.Seconds())+rand.IntN(3)))
	}
	body, err := json.Marshal(&p)
	if err != nil { // a struct of strings always encodes
		body = nil
	}
	return reply{status: p.Status, header: header, body: append(body, '\n')}
}

// logFailure logs an error that is answered with a problem, so that the problem's requestId
// finds its cause: a 5xx status as an error, or as a warning if the client can try again,
// and a 4xx status at debug, as when the client has left.
func (s *Server) logFailure(err error, line requestLine) {
	if errors.Is(err, errPanicked) { // logged with its stack
		return
	}
	status := problemOf(err).Status
	level, message := slog.LevelError, "request failed"
	switch {
	case status < 500:
		level, message = slog.LevelDebug, "request refused"
	case errors.Is(err, context.Canceled):
		level = slog.LevelDebug
	case status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("request_id", line.id), slog.String("method", line.method), slog.String("path", line.path),
		slog.Int("status", status), slog.Any("err", err),
	}
	if code := store.SQLState(err); code != "" {
		attrs = append(attrs, slog.String("sqlstate", code))
	}
	s.logger.LogAttrs(context.Background(), level, message, attrs...)
}

// handleError turns the error of a handler into a response. A response that has begun
// stays as it is. A client that seems gone is answered, too: it may have closed only its
// own half, and silence would read as 200.
func (s *Server) handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	line := lineOf(c)
	s.logFailure(err, line)
	answer := problemReply(err, line)
	answer.writeHead(c.Response())
	if line.method == http.MethodHead {
		return
	}
	if _, err := c.Response().Write(answer.body); err != nil {
		s.logger.LogAttrs(c.Request().Context(), slog.LevelDebug, "client left", slog.Any("err", err))
	}
}
