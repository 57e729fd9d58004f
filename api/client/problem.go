package client

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// problemLimit is the number of bytes that are read of an answer that is no success.
const problemLimit = 64 << 10

// Problem is an answer that is not a success, in the form of RFC 9457. An answer that
// is not from Tidings, such as a proxy's error page or the plain text of net/http,
// becomes a Problem with a Status and without a Code.
type Problem struct {
	Status    int    // HTTP status of the answer
	Code      string // stable code, such as not_found or rate_limited; "" if there is none
	Title     string // the code in words
	Detail    string // more about this problem; the text may change
	Instance  string // path of the request
	RequestID string // also in the server's log

	// RetryAfter is the wait that the server asked for; 0 if it asked for none.
	RetryAfter time.Duration

	// Reason is why a cursor cannot be resumed (code cursor_gone: expired or restored), or
	// which rule a token breaks (code invalid_token: expired, signature, …).
	Reason string
	// From is the cursor that cannot be resumed. It is set for the code cursor_gone alone,
	// as is Resumed.
	From string
	// Resumed is the cursor to continue from, after the state has been read again.
	Resumed string
}

// Error returns the status, the code (or the title if there is no code) and the detail.
func (p *Problem) Error() string {
	s := strconv.Itoa(p.Status)
	if p.Code != "" {
		s += " " + p.Code
	} else if p.Title != "" {
		s += " " + p.Title
	}
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	return s
}

// readProblem returns the Problem of an answer that is no success. The caller closes
// the body.
func readProblem(resp *http.Response) *Problem {
	p := &Problem{
		Title:      http.StatusText(resp.StatusCode),
		RequestID:  resp.Header.Get("X-Request-Id"),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
	// The error is ignored: if the body ends early, the status is still reported.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, problemLimit))
	switch kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind {
	case "application/problem+json", "application/json":
		p.decode(body)
	case "text/plain":
		p.Detail = firstLine(body)
	}
	p.Status = resp.StatusCode
	return p
}

// decode sets the fields of p from a JSON body. Members of the wrong type are ignored.
func (p *Problem) decode(body []byte) {
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return
	}
	for name, field := range map[string]*string{
		"code": &p.Code, "title": &p.Title, "detail": &p.Detail, "instance": &p.Instance,
		"requestId": &p.RequestID, "reason": &p.Reason, "from": &p.From, "resumed": &p.Resumed,
	} {
		if s, ok := members[name].(string); ok {
			*field = s
		}
	}
}

// firstLine returns the first line of a plain text, at most 200 bytes of it.
func firstLine(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if len(line) > 200 {
		return fmt.Sprintf("%.200s…", line)
	}
	return line
}

// retryAfter parses the header Retry-After in both forms of RFC 9110, section 10.2.3:
// seconds, and a date. A malformed value and a date in the past are 0.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
