package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Nothing that a stranger writes, or that another server answers, controls the terminal.
func TestTail_PrintsNoControlCharacters(t *testing.T) {
	t.Parallel()
	unsafe := func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar
	}
	const text = "\u009b2J\u202egnp\u0085\u2066 end"

	s := newSite(t)
	srv := s.start(t)
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('t', 'ann', $1)`, text)
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/events" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"data":{}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: \x1b]0;name\x07%s\ntopic: \x1b[1m%s\ndata: \x1b[2J\ndata: forged line%s\nid: \x1b[3m%s\n\n", text, text, text, text)
	}))
	t.Cleanup(stranger.Close)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"code":"c%s","detail":"d\u001b[2J%s"}`, text, text)
	}))
	t.Cleanup(refusing.Close)
	wants := func(name string, said *lines, pattern string) {
		t.Helper()
		said.await(t, regexp.MustCompile(pattern))
		if all := said.String(); strings.ContainsFunc(all, unsafe) {
			t.Errorf("%s printed %q", name, all)
		}
	}

	for name, flags := range map[string][]string{"lines": nil, "JSON": {"--json"}, "polls": {"--poll"}, "JSON of polls": {"--poll", "--json"}} {
		said := tail(t, append(flags, "--url", srv.url, "--cursor", "earliest", "post:t")...)
		wants(name, said, `\\u009b2J\\u202egnp\\u0085\\u2066 end`)
	}
	wants("the events of a stranger", tail(t, "--url", stranger.URL, "post:t"), `forged line.* end`)

	said := newLines()
	status := execute(t.Context(), []string{"tail", "--url", refusing.URL, "post:t"}, streams{said, said})
	streamtest.Want(t, "the status of a refusal", status, 1)
	wants("a refusal", said, `403 c.* end`)
}
