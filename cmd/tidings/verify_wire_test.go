package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/tidings-live/tidings/cmd/internal/verify"
)

// A wireEvent is one event on its way to a reader, by stream or in a poll's answer.
type wireEvent struct {
	ID    string          `json:"id,omitempty"`
	Event string          `json:"event"`
	Topic string          `json:"topic"`
	Data  json.RawMessage `json:"data"`
}

// A tamper stands between clients and a server and breaks one promise, whenever its
// turn comes.
type tamper struct {
	turn  atomic.Int64
	broke atomic.Int64 // how often it broke the promise
	// enough is how often it must break the promise to be found out; default 5.
	enough int64
	// events makes the function that changes the events of one answer, in order.
	events func(*tamper) func(wireEvent) []wireEvent
	// request may change a request, or answer it by itself.
	request func(*tamper, *http.Request) *http.Response
	// answer may change an answer.
	answer func(*tamper, *http.Response)
}

// due is true every so many times.
func (x *tamper) due(every int64) bool {
	due := x.turn.Add(1)%every == 0
	if due {
		x.broke.Add(1)
	}
	return due
}

// brokeOften is true when the promise was broken often enough to be found out.
func (x *tamper) brokeOften(verify.Activity) bool { return x.broke.Load() >= cmp.Or(x.enough, 5) }

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

// changeStream changes the blocks that are events; control events and closing ones
// pass.
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

func tamperable(e wireEvent) bool {
	return e.ID != "" && !strings.HasPrefix(e.Event, "stream.") && e.Event != "verify.end" &&
		e.Event != "comment-count" && e.Event != "like-update"
}

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

func made(r *http.Request, status int, body string) *http.Response {
	answer := &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: http.Header{"Content-Type": {"application/json"}}}
	setBody(answer, body)
	return answer
}

func writesTo(r *http.Request, suffix string) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, suffix)
}
