package api

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
)

// A reply is a whole answer in memory.
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

// tagOf returns a weak ETag for an answer, from its JSON.
func tagOf(answer any) (string, error) {
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode(answer); err != nil {
		return "", fmt.Errorf("encode answer: %w", err)
	}
	return fmt.Sprintf(`W/"%x"`, sum.Sum(nil)[:12]), nil
}
