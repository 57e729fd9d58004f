package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/internal/limit"
)

const (
	// maxAnswerBytes is the worst case of a list: a page ends early at about this size.
	maxAnswerBytes = 1 << 20
	// maxRowAnswer is more than what a request needs that reads a few rows: the memory of its
	// body and of its answer.
	maxRowAnswer = 64 << 10
	// maxPollAnswer is more than the worst case of a poll that is answered at once: the
	// hub gives a reader at most 1,024 events and 256 KiB at a time, and one event more.
	maxPollAnswer = 512 << 10
)

// reservationKey is the key of a request's reservation in the Echo context.
const reservationKey = "reservation"

// reserve takes the worst case of an answer from the budgets of memory, before anything is
// read for the answer. The caller must close the reservation when the answer is written.
// The error is the problem unavailable if there is no room within 2 s.
func (s *Server) reserve(c echo.Context, bytes int) (*limit.Reservation, error) {
	ctx := c.Request().Context()
	held, why := s.answers.Reserve(ctx, addressOf(c), bytes)
	switch {
	case why == "":
		return held, nil
	case ctx.Err() != nil: // the client has left
		return nil, ctx.Err()
	}
	return nil, s.refuse(why)
}

// bounded returns next behind a reservation of the memory of its answer. So a client address
// has a bounded number of requests in the queue for the connections to the database, too:
// 128 that read a few rows, or 8 lists.
func (s *Server) bounded(bytes int, next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		held, err := s.reserve(c, bytes)
		if err != nil {
			return err
		}
		defer held.Close()
		c.Set(reservationKey, held)
		return next(c)
	}
}

// countRequests is the middleware that bounds the requests of an address that are in
// progress, with [limit.Limiter.Begin].
func (s *Server) countRequests(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		end, why := s.limits.Begin(addressOf(c))
		if why != "" {
			return s.refuse(why)
		}
		defer end()
		return next(c)
	}
}

// sendJSON encodes an answer whole and sends it.
func sendJSON(c echo.Context, status int, answer any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // an escape takes six bytes, and comments have HTML
	if err := encoder.Encode(answer); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return send(c, status, echo.MIMEApplicationJSON, body.Bytes())
}

// send returns what the reservation of the answer holds in excess, and writes the answer with
// its Content-Length.
func send(c echo.Context, status int, contentType string, body []byte) error {
	if held, ok := c.Get(reservationKey).(*limit.Reservation); ok {
		held.Shrink(len(body))
	}
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	return c.Blob(status, contentType, body)
}

// jsonSize returns how many bytes a text has as JSON, without its quotes. It is exact for
// the encoder that sendJSON uses, but for invalid UTF-8.
func jsonSize(text string) (n int) {
	for i := range len(text) {
		switch b := text[i]; {
		case b == '"', b == '\\', b == '\n', b == '\r', b == '\t', b == '\b', b == '\f':
			n += 2
		case b < ' ':
			n += 6
		case b == 0xe2: // perhaps U+2028 or U+2029, which are escaped: six bytes instead of three
			n += 4
		default:
			n++
		}
	}
	return n
}
