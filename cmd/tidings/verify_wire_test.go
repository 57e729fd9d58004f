package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tidings-live/tidings/cmd/internal/verify"
)

// A wireEvent is an event in a stream or in the answer to a poll.
type wireEvent struct {
	ID    string          `json:"id,omitempty"`
	Event string          `json:"event"`
	Topic string          `json:"topic"`
	Data  json.RawMessage `json:"data"`
}

// A tamper is the transport of a proxy between clients and a server. It breaks one
// promise of the server from time to time.
type tamper struct {
	turn  atomic.Int64
	broke atomic.Int64 // how often it broke the promise
	// enough is how often it must break the promise until the run can end. A break has
	// no effect if the client has disconnected meanwhile.
	enough int64
	// events returns the function that changes the events of one answer, in order.
	events func(*tamper) func(wireEvent) []wireEvent
	// request may change a request, or answer it.
	request func(*tamper, *http.Request) *http.Response
	// answer may change an answer.
	answer func(*tamper, *http.Response)
}

// due is true, and counts as a break, at every n-th call.
func (x *tamper) due(n int64) bool {
	due := x.turn.Add(1)%n == 0
	if due {
		x.broke.Add(1)
	}
	return due
}

// brokeOften reports whether the promise was broken often enough, and a like can be
// decided.
func (x *tamper) brokeOften(a verify.Activity) bool {
	return x.broke.Load() >= x.enough && a.Changes["likes"] > 0
}

// RoundTrip implements http.RoundTripper.
func (x *tamper) RoundTrip(r *http.Request) (*http.Response, error) {
	if x.request != nil {
		if answer := x.request(x, r); answer != nil {
			return answer, nil
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if x.answer != nil {
		x.answer(x, answer)
	}
	if x.events != nil && answer.StatusCode == http.StatusOK {
		switch r.URL.Path {
		case "/v1/events":
			answer.Body = changeStream(answer.Body, x.events(x))
		case "/v1/poll":
			return changePoll(answer, x.events(x))
		}
	}
	return answer, nil
}

// changeStream changes the events of a stream. tamperable says which.
func changeStream(body io.ReadCloser, change func(wireEvent) []wireEvent) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		defer body.Close()
		var block []byte
		one := make([]byte, 4096)
		for {
			n, err := body.Read(one)
			block = append(block, one[:n]...)
			for {
				end := bytes.Index(block, []byte("\n\n"))
				if end < 0 {
					break
				}
				if _, err := in.Write(changeBlock(block[:end+2], change)); err != nil {
					return
				}
				block = block[end+2:]
			}
			if err != nil {
				in.CloseWithError(err)
				return
			}
		}
	}()
	return out
}

// changeBlock changes one block of a stream if it is an event.
func changeBlock(block []byte, change func(wireEvent) []wireEvent) []byte {
	var e wireEvent
	for line := range strings.SplitSeq(string(block), "\n") {
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "id":
			e.ID = value
		case "event":
			e.Event = value
		case "topic":
			e.Topic = value
		case "data":
			e.Data = json.RawMessage(value)
		}
	}
	if !tamperable(e) {
		return block
	}
	var b []byte
	for _, e := range change(e) {
		b = fmt.Appendf(b, "event: %s\ntopic: %s\ndata: %s\nid: %s\n\n", e.Event, e.Topic, e.Data, e.ID)
	}
	return b
}

// tamperable is true for durable events that must arrive, except verify.end, for which
// the readers wait.
func tamperable(e wireEvent) bool {
	return e.ID != "" && !strings.HasPrefix(e.Event, "stream.") && e.Event != "verify.end" &&
		e.Event != "comment-count" && e.Event != "like-update"
}

// changePoll changes the events of an answer to a poll.
func changePoll(answer *http.Response, change func(wireEvent) []wireEvent) (*http.Response, error) {
	var page struct {
		Events []wireEvent `json:"events"`
		Cursor string      `json:"cursor"`
		More   bool        `json:"more"`
	}
	err := json.NewDecoder(answer.Body).Decode(&page)
	answer.Body.Close()
	if err != nil {
		return nil, err
	}
	changed := []wireEvent{}
	for _, e := range page.Events {
		if !tamperable(e) {
			changed = append(changed, e)
			continue
		}
		changed = append(changed, change(e)...)
	}
	page.Events = changed
	b, err := json.Marshal(page)
	setBody(answer, string(b))
	return answer, err
}

func setBody(answer *http.Response, body string) {
	answer.Body = io.NopCloser(strings.NewReader(body))
	answer.ContentLength = int64(len(body))
	answer.Header.Set("Content-Length", fmt.Sprint(len(body)))
}

// made returns an answer that no server gave.
func made(r *http.Request, status int, body string) *http.Response {
	answer := &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: http.Header{"Content-Type": {"application/json"}}}
	setBody(answer, body)
	return answer
}

// writesTo reports whether a request is a POST to a path that ends with the suffix.
func writesTo(r *http.Request, suffix string) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, suffix)
}

// skipsPosts changes the cursor of one reader's requests to "now" if an event of a post
// lies between. Other readers get that event, so the checker can find the skip with and
// without the log. Readers that are not the victim are left alone.
func skipsPosts() *tamper {
	var mu sync.Mutex // guards victim
	var victim string
	return &tamper{
		enough: 3,
		request: func(x *tamper, r *http.Request) *http.Response {
			query := r.URL.Query()
			cursor := query.Get("cursor") + r.Header.Get("Last-Event-Id")
			reader := r.Header.Get("Authorization") + fmt.Sprint(query["topic"])
			mu.Lock()
			defer mu.Unlock()
			if cursor == "" || cursor == "now" || victim != "" && victim != reader || !missesPost(r, cursor) {
				return nil
			}
			victim = reader
			query.Set("cursor", "now")
			r.Header.Del("Last-Event-Id")
			r.URL.RawQuery = query.Encode()
			return nil
		},
		answer: func(x *tamper, answer *http.Response) {
			mu.Lock()
			defer mu.Unlock()
			query := answer.Request.URL.Query()
			reader := answer.Request.Header.Get("Authorization") + fmt.Sprint(query["topic"])
			if query.Get("cursor") == "now" && reader == victim && answer.StatusCode == http.StatusOK {
				x.broke.Add(1)
			}
		},
	}
}

// missesPost polls as the client of the request would from the cursor. It reports whether
// the answer has a tamperable event of a post.
func missesPost(r *http.Request, cursor string) bool {
	poll := r.Clone(r.Context())
	poll.URL.Path = "/v1/poll"
	query := poll.URL.Query()
	query.Set("cursor", cursor)
	query.Set("wait", "0")
	poll.URL.RawQuery = query.Encode()
	poll.Header.Del("Last-Event-Id")
	poll.Header.Set("Accept", "application/json")
	answer, err := http.DefaultTransport.RoundTrip(poll)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	var page struct {
		Events []wireEvent `json:"events"`
	}
	return json.NewDecoder(answer.Body).Decode(&page) == nil &&
		slices.ContainsFunc(page.Events, func(e wireEvent) bool { return tamperable(e) && strings.HasPrefix(e.Topic, "post:") })
}
