package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/verify"
)

// tampers are broken servers, and the fault that each must be found to have.
var tampers = map[string]struct {
	make  func() *tamper
	fault func(verify.Faults) int64
}{
	"Drops": {func() *tamper {
		return &tamper{events: func(x *tamper) func(wireEvent) []wireEvent {
			return func(e wireEvent) []wireEvent {
				if x.due(20) {
					return nil
				}
				return []wireEvent{e}
			}
		}}
	}, func(f verify.Faults) int64 { return min(f.Lost, f.SilentGaps) }},
	"Doubles": {func() *tamper {
		return &tamper{events: func(x *tamper) func(wireEvent) []wireEvent {
			return func(e wireEvent) []wireEvent {
				if x.due(20) {
					return []wireEvent{e, e}
				}
				return []wireEvent{e}
			}
		}}
	}, func(f verify.Faults) int64 { return f.Duplicated }},
	"Swaps": {func() *tamper {
		return &tamper{events: func(x *tamper) func(wireEvent) []wireEvent {
			var held []wireEvent
			return func(e wireEvent) []wireEvent {
				if held == nil && x.due(10) {
					held = []wireEvent{e}
					return nil
				}
				both := append([]wireEvent{e}, held...)
				held = nil
				return both
			}
		}}
	}, func(f verify.Faults) int64 { return f.Reordered }},
	"LeaksAPrivateEvent": {func() *tamper {
		return &tamper{events: func(x *tamper) func(wireEvent) []wireEvent {
			return func(e wireEvent) []wireEvent {
				if !x.due(20) {
					return []wireEvent{e}
				}
				return []wireEvent{{e.ID, "notification", "user:somebody-else", json.RawMessage(`{"id":"1"}`)}, e}
			}
		}}
	}, func(f verify.Faults) int64 { return f.Leaked }},
	"SaysThatAnotherWroteIt": {func() *tamper {
		return &tamper{events: func(x *tamper) func(wireEvent) []wireEvent {
			return func(e wireEvent) []wireEvent {
				forged := bytes.Replace(e.Data, []byte(`"author":{"id":"`), []byte(`"author":{"id":"not-`), 1)
				if len(forged) > len(e.Data) {
					x.broke.Add(1)
				}
				e.Data = forged
				return []wireEvent{e}
			}
		}}
	}, func(f verify.Faults) int64 { return f.Invented }},
	"SkipsSilently": {func() *tamper {
		// Only a skip past an event of the reader's topics does harm.
		return &tamper{enough: 50, request: func(x *tamper, r *http.Request) *http.Response {
			query := r.URL.Query()
			if cursor := query.Get("cursor") + r.Header.Get("Last-Event-Id"); cursor != "" && x.due(2) {
				query.Set("cursor", "now")
				r.Header.Del("Last-Event-Id")
				r.URL.RawQuery = query.Encode()
			}
			return nil
		}}
	}, func(f verify.Faults) int64 { return min(f.Lost, f.SilentGaps) }},
	"AcknowledgesWhatItDoesNotWrite": {func() *tamper {
		return &tamper{request: func(x *tamper, r *http.Request) *http.Response {
			if writesTo(r, "/comments") && x.due(5) {
				return made(r, http.StatusCreated, `{"id":"1"}`)
			}
			return nil
		}}
	}, func(f verify.Faults) int64 { return f.Lost }},
	"AcknowledgesALikeThatItDoesNotWrite": {func() *tamper {
		return &tamper{request: func(x *tamper, r *http.Request) *http.Response {
			switch {
			case !strings.HasSuffix(r.URL.Path, "/like"):
				return nil
			case r.Method == http.MethodPut:
				x.broke.Add(1)
				return made(r, http.StatusOK, `{"count":1,"liked":true}`)
			}
			return made(r, http.StatusForbidden, `{"code":"forbidden"}`) // so the like stands
		}}
	}, func(f verify.Faults) int64 { return f.Lost }},
	"AcknowledgesADeleteThatItDoesNotWrite": {func() *tamper {
		return &tamper{request: func(x *tamper, r *http.Request) *http.Response {
			if r.Method == http.MethodDelete && strings.HasPrefix(r.URL.Path, "/v1/comments/") {
				x.broke.Add(1)
				return made(r, http.StatusNoContent, "")
			}
			return nil
		}}
	}, func(f verify.Faults) int64 { return f.Lost }},
	"WritesTwice": {func() *tamper {
		return &tamper{request: func(x *tamper, r *http.Request) *http.Response {
			if !writesTo(r, "/comments") || !x.due(5) {
				return nil
			}
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			again := r.Clone(r.Context())
			again.Body = io.NopCloser(bytes.NewReader(body))
			if answer, err := http.DefaultTransport.RoundTrip(again); err == nil {
				answer.Body.Close()
			}
			return nil
		}}
	}, func(f verify.Faults) int64 { return f.Duplicated }},
	"WritesWhatItRefuses": {func() *tamper {
		return &tamper{answer: func(x *tamper, answer *http.Response) {
			if writesTo(answer.Request, "/comments") && x.due(5) {
				answer.StatusCode = http.StatusUnprocessableEntity
			}
		}}
	}, func(f verify.Faults) int64 { return f.Invented }},
	"LetsIntrudersIn": {func() *tamper {
		return &tamper{answer: func(x *tamper, answer *http.Response) {
			if answer.StatusCode != http.StatusForbidden && answer.StatusCode != http.StatusUnauthorized {
				return
			}
			x.broke.Add(1)
			answer.StatusCode = http.StatusOK
			answer.Header.Set("Content-Type", "application/json")
			if answer.Request.URL.Path == "/v1/events" {
				answer.Header.Set("Content-Type", "text/event-stream")
			}
			setBody(answer, "{}")
		}}
	}, func(f verify.Faults) int64 { return f.Leaked }},
	"IsHonest": {func() *tamper {
		return &tamper{events: func(x *tamper) func(wireEvent) []wireEvent {
			return func(e wireEvent) []wireEvent {
				x.broke.Add(1)
				return []wireEvent{e}
			}
		}}
	}, nil},
}

// inTables are tampers whose fault only the tables show, at the end.
var inTables = []string{"AcknowledgesALikeThatItDoesNotWrite", "AcknowledgesADeleteThatItDoesNotWrite"}

// A broken delivery is found out each time, with the log to compare with and without.
func TestVerifyFindsBrokenServers(t *testing.T) {
	t.Parallel()
	for name, tt := range tampers {
		for _, withLog := range []bool{true, false} {
			if !withLog && slices.Contains(inTables, name) {
				continue
			}
			t.Run(fmt.Sprintf("%s/Log=%v", name, withLog), func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				honest := s.start(t)
				x := tt.make()
				cfg := verifyConfig(honest.url, tampered(t, honest.url, x))
				cfg.Until = x.brokeOften
				if withLog {
					cfg.DatabaseURL = s.dsn
				}
				if slices.Contains(inTables, name) {
					cfg.URLs = cfg.URLs[1:] // no honest server writes in between
				}
				report, err := verify.Run(t.Context(), cfg)
				must(t, err)
				switch {
				case tt.fault == nil && report.Any():
					t.Errorf("found faults: %+v\n%s", report.Faults, strings.Join(report.Notes, "\n"))
				case tt.fault != nil && tt.fault(report.Faults) == 0:
					t.Errorf("not found out: %+v", report.Faults)
				}
			})
		}
	}
}

// What the server answers may be what it counted, and still not what is there.
func TestVerifyFindsCountsThatAreWrong(t *testing.T) {
	t.Parallel()
	for table, trigger := range map[string]string{"likes": "deleted", "comments": "updated"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.exec(t, `alter table tidings.`+table+` disable trigger `+trigger)
			cfg := verifyConfig(s.start(t).url)
			cfg.DatabaseURL = s.dsn
			cfg.Until = func(verify.Activity) bool { return s.miscounted(t) }
			report, err := verify.Run(t.Context(), cfg)
			must(t, err)
			if report.Faults.Lost == 0 {
				t.Errorf("not found out: %+v", report.Faults)
			}
		})
	}
}

// miscounted reports whether the last counts of a post differ from its tables.
func (s *site) miscounted(t *testing.T) (wrong bool) {
	must(t, s.sql.QueryRow(t.Context(), `
		select exists (
			select
			from tidings.posts post
			join lateral (
				select comments, likes
				from tidings.counts
				where target = 'post:' || post.id
				order by position desc
				limit 1
			) as told on true
			where told.comments <> (select count(*) from tidings.comments c where c.post_id = post.id and c.status = 'published')
			or told.likes <> (select count(*) from tidings.likes l where l.post_id = post.id and l.comment_id is null)
		)`).Scan(&wrong))
	return wrong
}

// verifyConfig writes until the test has seen enough (Until), for five minutes at most.
func verifyConfig(urls ...string) verify.Config {
	return verify.Config{
		URLs: urls, Secret: testSecret, Seed: 1,
		Readers: 8, Writers: 4, Pace: 10 * time.Millisecond, Duration: 5 * time.Minute, Settle: 5 * time.Minute,
	}
}

// tampered is where the server can be reached by way of x.
func tampered(t *testing.T, server string, x *tamper) string {
	t.Helper()
	target, err := url.Parse(server)
	must(t, err)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     x,
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, r *http.Request, err error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	t.Cleanup(proxy.Close)
	return proxy.URL
}
