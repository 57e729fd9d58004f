package api

import (
	"maps"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/internal/takeover"
)

// A reply is a whole answer in memory. It is written to a response or, once the
// connection was taken over, sent as a message of its own.
type reply struct {
	status int
	header http.Header // besides the fields that every answer has
	body   []byte
}

// A requestLine is what an answer needs of its request after the handler has returned.
type requestLine struct {
	method string
	path   string // as the client sent it
	id     string // of the log and X-Request-Id
	minor  int    // HTTP/1.minor
}

func lineOf(c echo.Context) requestLine {
	r := c.Request()
	return requestLine{r.Method, r.URL.EscapedPath(), c.Response().Header().Get(echo.HeaderXRequestID), r.ProtoMinor}
}

// writeHead writes everything but the body.
func (r reply) writeHead(w http.ResponseWriter) {
	maps.Copy(w.Header(), r.header)
	w.Header().Set(echo.HeaderContentLength, strconv.Itoa(len(r.body)))
	w.WriteHeader(r.status)
}

// message returns the status line, the header and the body. common has the fields that
// every answer has; it is changed.
func (r reply) message(minor int, common http.Header) []byte {
	maps.Copy(common, r.header)
	common.Set(echo.HeaderContentLength, strconv.Itoa(len(r.body)))
	return append(takeover.Head(minor, r.status, common), r.body...)
}
