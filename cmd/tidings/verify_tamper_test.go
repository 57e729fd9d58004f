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
	"github.com/tidings-live/tidings/stream/streamtest"
)

// tampers are broken servers. fault returns the count of the fault that verify must
// find; it is nil for a server that is not broken.
var tampers = map[string]struct {
	make  func() *tamper
	fault func(verify.Faults) int64
}{
	"DropsEvents": {func() *tamper {
		return &tamper{enough: 5, events: func(x *tamper) func(wireEvent) []wireEvent {
			return func(e wireEvent) []wireEvent {
				if x.due(4) {
					return nil
				}
				return []wireEvent{e}
			}
		}}
	}, func(f verify.Faults) int64 { return min(f.Lost, f.SilentGaps) }},
	"DeliversTwice": {func() *tamper {
		return &tamper{enough: 5, events: func(x *tamper) func(wireEvent) []wireEvent {
			return func(e wireEvent) []wireEvent {
				if x.due(4) {
					return []wireEvent{e, e}
				}
				return []wireEvent{e}
			}
		}}
	}, func(f verify.Faults) int64 { return f.Duplicated }},
	"SwapsTwoEvents": {func() *tamper {
		return &tamper{enough: 5, events: func(x *tamper) func(wireEvent) []wireEvent {
			var held []wireEvent
			return func(e wireEvent) []wireEvent {
				if held == nil && x.due(5) {
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
		return &tamper{enough: 5, events: func(x *tamper) func(wireEvent) []wireEvent {
			return func(e wireEvent) []wireEvent {
				if !x.due(4) {
					return []wireEvent{e}
				}
				return []wireEvent{{e.ID, "notification", "user:somebody-else", json.RawMessage(`{"id":"1"}`)}, e}
			}
		}}
	}, func(f verify.Faults) int64 { return f.Leaked }},
	"ChangesTheAuthor": {func() *tamper {
		return &tamper{enough: 5, events: func(x *tamper) func(wireEvent) []wireEvent {
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
	"SkipsSilently": {skipsPosts, func(f verify.Faults) int64 { return min(f.Lost, f.SilentGaps) }},
	"AcknowledgesACommentThatItDoesNotWrite": {func() *tamper {
		return &tamper{enough: 3, request: func(x *tamper, r *http.Request) *http.Response {
			if writesTo(r, "/comments") && x.due(2) {
				return made(r, http.StatusCreated, `{"id":"1"}`)
			}
			return nil
		}}
	}, func(f verify.Faults) int64 { return f.Lost }},
	"WritesACommentTwice": {func() *tamper {
		return &tamper{enough: 3, request: func(x *tamper, r *http.Request) *http.Response {
			if !writesTo(r, "/comments") || !x.due(2) {
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
	"WritesACommentThatItRefuses": {func() *tamper {
		return &tamper{enough: 3, answer: func(x *tamper, answer *http.Response) {
			if answer.StatusCode == http.StatusCreated && writesTo(answer.Request, "/comments") && x.due(2) {
				answer.StatusCode = http.StatusUnprocessableEntity
			}
		}}
	}, func(f verify.Faults) int64 { return f.Invented }},
	"AcceptsUnauthorizedReaders": {func() *tamper {
		return &tamper{enough: 3, answer: func(x *tamper, answer *http.Response) {
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
	"IsCorrect": {func() *tamper {
		return &tamper{enough: 60, events: func(x *tamper) func(wireEvent) []wireEvent {
			return func(e wireEvent) []wireEvent {
				x.broke.Add(1)
				return []wireEvent{e}
			}
		}}
	}, nil},
}

// judgedWithoutLog are the tampers that verify also runs against without the log: the readers
// and the writers are then the reference, for what a reader gets and for what a writer is told.
var judgedWithoutLog = []string{"DropsEvents", "SwapsTwoEvents", "AcknowledgesACommentThatItDoesNotWrite", "WritesACommentThatItRefuses", "IsCorrect"}

// verify finds each broken server. All of them change the answers of one correct server: a run
// judges its own posts only.
func TestVerify_FindsBrokenServers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	correct := s.start(t, s.concurrent)
	for name, tt := range tampers {
		for _, withLog := range []bool{true, false} {
			if !withLog && !slices.Contains(judgedWithoutLog, name) {
				continue
			}
			t.Run(fmt.Sprintf("%s/Log=%v", name, withLog), func(t *testing.T) {
				t.Parallel()
				x := tt.make()
				cfg := verifyConfig(correct.url, tampered(t, correct.url, x))
				cfg.Until = x.brokeOften
				if withLog {
					cfg.DatabaseURL = s.dsn
				}
				report, err := verify.Run(t.Context(), cfg)
				streamtest.Must(t, err)
				switch {
				case tt.fault == nil && report.Any():
					t.Errorf("found faults: %+v\n%s", report.Faults, strings.Join(report.Notes, "\n"))
				case tt.fault != nil && tt.fault(report.Faults) == 0:
					t.Errorf("the fault was not found: %+v", report.Faults)
				}
			})
		}
	}
}

// The counts in events and answers agree with each other and differ from the tables.
func TestVerify_FindsCountsThatDifferFromTheTables(t *testing.T) {
	t.Parallel()
	for table, trigger := range map[string]string{"likes": "deleted", "comments": "updated"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.exec(t, `alter table tidings.`+table+` disable trigger `+trigger)
			cfg := verifyConfig(s.start(t, s.concurrent).url)
			cfg.DatabaseURL = s.dsn
			cfg.Until = func(verify.Activity) bool { return s.miscounted(t) }
			report, err := verify.Run(t.Context(), cfg)
			streamtest.Must(t, err)
			if report.Faults.Lost == 0 {
				t.Errorf("the fault was not found: %+v", report.Faults)
			}
		})
	}
}

// The counts of threads are wrong in events, answers and tidings.counts.
func TestVerify_FindsThreadsThatAreMiscounted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.exec(t, `
		create function public.miscount() returns trigger language plpgsql as $$ begin new.thread := new.thread + 1; return new; end $$;
		create trigger site before insert on tidings.counts
			for each row when (new.target like 'comment:%') execute function public.miscount()`)
	cfg := verifyConfig(s.start(t, s.concurrent).url)
	cfg.DatabaseURL = s.dsn
	cfg.Until = func(a verify.Activity) bool {
		return a.Changes["likes"] > 0 && value[bool](t, s, `select exists (select from tidings.counts where target like 'comment:%')`)
	}
	report, err := verify.Run(t.Context(), cfg)
	streamtest.Must(t, err)
	if report.Lost == 0 {
		t.Errorf("the fault was not found: %+v", report.Faults)
	}
}

// miscounted reports whether the last counts of a post differ from its tables.
func (s *site) miscounted(t *testing.T) (wrong bool) {
	streamtest.Must(t, s.sql.QueryRow(t.Context(), `
		select exists (
			select
			from tidings.posts post
			join lateral (
				select comments, likes
				from tidings.counts
				where target = 'post:' || post.id
				order by position desc
				limit 1
			) as counted on true
			where counted.comments <> (select count(*) from tidings.comments c where c.post_id = post.id and c.status = 'published')
			or counted.likes <> (select count(*) from tidings.likes l where l.post_id = post.id and l.comment_id is null)
		)`).Scan(&wrong))
	return wrong
}

// verifyConfig verifies the servers at the URLs for five minutes, unless the test sets
// Until.
func verifyConfig(urls ...string) verify.Config {
	return verify.Config{
		URLs: urls, Secret: testSecret, Seed: 1,
		Readers: 5, Writers: 3, Pace: 10 * time.Millisecond, Duration: 5 * time.Minute, Settle: 5 * time.Minute,
	}
}

// tampered starts a proxy that sends requests to the server through x, and returns its
// URL.
func tampered(t *testing.T, server string, x http.RoundTripper) string {
	t.Helper()
	target, err := url.Parse(server)
	streamtest.Must(t, err)
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
