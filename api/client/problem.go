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

// problemLimit bounds what is read of an answer that says no.
const problemLimit = 64 << 10

// Problem is the server's refusal, an RFC 9457 answer. Whatever stood between
// (a proxy's page, net/http's own plain text) becomes one too, with a Status and
// without a Code.
type Problem struct {
	Status    int    // of the answer itself
	Code      string // stable: not_found, invalid_cursor, rate_limited, …
	Title     string
	Detail    string
	Instance  string
	RequestID string

	// RetryAfter is how long the server asked to be left alone; 0 when it did not.
	RetryAfter time.Duration

	// Of cursor_gone alone: why the cursor cannot be resumed (expired, restored),
	// what it was, and where to go on from.
	Reason  string
	From    string
	Resumed string
}

// Error shows the status, the code (the title, without one) and the detail.
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

// readProblem makes the problem of an answer that is no success. It reads the
// body and leaves closing it to the caller.
func readProblem(resp *http.Response) *Problem {
	p := &Problem{
		Title:      http.StatusText(resp.StatusCode),
		RequestID:  resp.Header.Get("X-Request-Id"),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
	// A body that breaks off still leaves a status to report.
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

// decode fills p from a JSON body; members of the wrong type are left out.
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

// firstLine is as much of a plain text as fits an error message.
func firstLine(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if len(line) > 200 {
		return fmt.Sprintf("%.200s…", line)
	}
	return line
}

// retryAfter reads the header in both its forms, seconds and a date; what is
// malformed or past is 0.
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
