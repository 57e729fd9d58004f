package api

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
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
	header http.Header // without the fields that every answer has
	body   []byte
}

// A requestLine is the part of a request that its answer and the log need. It remains valid
// after the handler has returned.
type requestLine struct {
	method string
	path   string // as the client sent it
	id     string // X-Request-Id
	minor  int    // the minor version of HTTP/1
}

// lineOf returns the request line of a request.
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

// message returns a whole HTTP/1 message. common has the fields that every answer has;
// message adds the fields of this answer to it.
func (r reply) message(minor int, common http.Header) []byte {
	maps.Copy(common, r.header)
	common.Set(echo.HeaderContentLength, strconv.Itoa(len(r.body)))
	return append(takeover.Head(minor, r.status, common), r.body...)
}

// tagOf returns a weak ETag for an answer, from its JSON.
func tagOf(answer any) (string, error) {
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode(answer); err != nil {
		return "", fmt.Errorf("encode answer: %w", err)
	}
	return fmt.Sprintf(`W/"%x"`, sum.Sum(nil)[:12]), nil
}
