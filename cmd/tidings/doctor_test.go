package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/cmd/internal/doctor"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A faultyProxy is a configuration of docs/proxies.md with a fault.
type faultyProxy struct {
	block, kind string
	edits       []string // pairs of a text and its replacement, which make the fault
	untrusted   bool     // the server does not trust the proxy
	wrong       []string
	fix         string // a line for each of the wrong checks
}

// ignoreAccel makes nginx buffer if it speaks HTTP/1.0 to the server, its default. With
// HTTP/1.1 it sends each chunk at once all the same.
const ignoreAccel = "proxy_ignore_headers X-Accel-Buffering; proxy_buffering on;"

var faultyProxies = map[string]faultyProxy{
	"RightNginx":           {block: "one-hop", kind: "nginx"},
	"RightHAProxy":         {block: "haproxy", kind: "haproxy"},
	"NginxThatBuffers":     {"one-hop", "nginx", []string{"proxy_buffering off;", ignoreAccel, "proxy_http_version 1.1;", ""}, false, []string{"buffering"}, "proxy_buffering off;"},
	"NginxThatCompresses":  {"one-hop", "nginx", []string{"proxy_buffering off;", "gzip on; gzip_proxied any; gzip_types text/event-stream;"}, false, []string{"buffering"}, "leave text/event-stream out of the types that are compressed"},
	"NginxWithAnotherHost": {"one-hop", "nginx", []string{"proxy_set_header Host $http_host;", "", "proxy_set_header X-Forwarded-Host $http_host;", ""}, false, []string{"own-origin"}, "proxy_set_header Host $http_host;"},
	"NginxWithoutThePort":  {"one-hop", "nginx", []string{"proxy_set_header X-Forwarded-Host $http_host;", "", "$http_host", "$host"}, false, []string{"own-origin"}, "proxy_set_header Host $http_host;"},
	"NginxWithAShortTimeout": {"one-hop", "nginx", []string{"proxy_read_timeout 60s;", "proxy_read_timeout 1s;"}, false,
		[]string{"idle", "poll"}, "proxy_read_timeout 60s;"},
	"NginxWithoutAddresses": {"one-hop", "nginx", []string{"proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", ""}, false,
		[]string{"addresses"}, "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"},
	"NginxThatIsNotTrusted":   {"one-hop", "nginx", nil, true, []string{"addresses"}, "TIDINGS_TRUSTED_PROXIES=127.0.0.1"},
	"HAProxyThatDelays":       {"haproxy", "haproxy", []string{"option http-no-delay", ""}, false, []string{"delay"}, "option http-no-delay"},
	"HAProxyWithoutAddresses": {"haproxy", "haproxy", []string{"option forwardfor", ""}, false, []string{"addresses"}, "option forwardfor"},
	"HAProxyWithAnotherHost": {"haproxy", "haproxy", []string{"http-request set-header X-Forwarded-Host %[req.hdr(host)]", "http-request set-header Host tidings"}, false,
		[]string{"own-origin"}, "proxy_set_header Host $http_host;"},
	"HAProxyWithAShortTimeout": {"haproxy", "haproxy", []string{"timeout server 60s", "timeout server 1s"}, false, []string{"idle", "poll"}, "timeout server 60s"},
}

// The doctor finds each fault, names the line that mends it, and finds nothing else.
func TestDoctor_FindsTheFaultsOfProxies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	trusting := s.start(t, func(i *instance) { i.TrustedProxies = []string{"127.0.0.1"} })
	distrusting := s.start(t)
	for name, c := range faultyProxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := trusting
			if c.untrusted {
				direct = distrusting
			}
			config := pageConfig(t, c.block)
			for edits := c.edits; len(edits) > 0; edits = edits[2:] {
				if !strings.Contains(config, edits[0]) {
					t.Fatalf("the configuration has no %q", edits[0])
				}
				config = strings.Replace(config, edits[0], edits[1], 1)
			}
			p := startProxy(t, proxyKinds[c.kind], config, strings.TrimPrefix(direct.url, "http://"))
			report, err := doctor.Run(patient(t), doctor.Config{
				URL: p.url(), Token: serviceToken(t), Patience: doctorPatience, Idle: 4 * time.Second, Poll: 4 * time.Second,
				Transport: p.client(t, "127.0.0.2").Transport.(*http.Transport),
			})
			streamtest.Must(t, err)
			streamtest.Want(t, "the wrong checks", wrongChecks(report), c.wrong)
			for _, f := range report.Findings {
				fixes := func(line doctor.Line) bool { return line.Text == c.fix }
				if f.State == doctor.Wrong && !slices.ContainsFunc(f.Fix, fixes) {
					t.Errorf("%s has the lines %v, want %q", f.Check, f.Fix, c.fix)
				}
				t.Logf("%s %s: %s", f.State, f.Check, f.Detail)
			}
		})
	}
}

func serviceToken(t *testing.T) string {
	t.Helper()
	return token(t, auth.Identity{Subject: "doctor", Roles: []string{auth.RoleService}, Expires: time.Now().Add(time.Hour)})
}

func wrongChecks(r *doctor.Report) (names []string) {
	for _, f := range r.Findings {
		if f.State == doctor.Wrong {
			names = append(names, f.Check)
		}
	}
	return names
}

func TestDoctorCommand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)

	t.Run("FindsNothingWrongWithAServerWithoutProxies", func(t *testing.T) {
		t.Parallel()
		got := command(t, "doctor", "--url", srv.url, "--secret", testSecret, "--database-url", s.dsn+fewConnections, "--idle", "2s", "--poll", "2s", "--json")
		streamtest.Want(t, "the exit status", got.status, 0)
		var report doctor.Report
		streamtest.Must(t, json.Unmarshal([]byte(got.out), &report))
		for _, f := range report.Findings {
			streamtest.Want(t, f.Check, f.State, doctor.OK)
		}
		streamtest.Want(t, "the number of checks", len(report.Findings), 8)
	})
	t.Run("SkipsWhatItCannotCheck", func(t *testing.T) {
		t.Parallel()
		got := command(t, "doctor", "--url", srv.url, "--idle", "0s", "--poll", "0s")
		streamtest.Want(t, "the exit status", got.status, 0)
		streamtest.Want(t, "the number of skipped checks", strings.Count(got.out, doctor.Skipped), 5)
	})
	t.Run("FindsTheDatabaseOfAnotherDeployment", func(t *testing.T) {
		t.Parallel()
		got := command(t, "doctor", "--url", srv.url, "--secret", testSecret, "--database-url", newSite(t).dsn, "--idle", "0s", "--poll", "0s")
		streamtest.Want(t, "the exit status", got.status, 1)
		if !strings.Contains(got.out, "not the database of the server") {
			t.Errorf("the report is\n%s", got.out)
		}
	})
	t.Run("FailsIfThereIsNoServer", func(t *testing.T) {
		t.Parallel()
		got := command(t, "doctor", "--url", "http://127.0.0.1:1")
		streamtest.Want(t, "the exit status", got.status, 1)
		if !strings.Contains(got.out, "there is no answer") {
			t.Errorf("the report is\n%s", got.out)
		}
	})
	t.Run("TellsAProxyThatDelaysFromABusyMachine", func(t *testing.T) {
		t.Parallel()
		const late = 400 * time.Millisecond
		for name, c := range map[string]struct {
			events  []time.Duration // by which one event after another is late
			answers []time.Duration // by which answers to publications are late
			want    string
		}{
			"EachEventAndMostAnswers":       {[]time.Duration{late}, []time.Duration{late, late, 0}, doctor.Wrong},
			"MostEventsAndSomeAnswers":      {[]time.Duration{late, late, 0}, []time.Duration{0, late}, doctor.OK},
			"EachEventByAsMuchAsEachAnswer": {[]time.Duration{late}, []time.Duration{late}, doctor.OK},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				report, err := doctor.Run(patient(t), doctor.Config{
					URL: lateProxy(t, srv.url, c.events, c.answers), Token: serviceToken(t), Patience: streamtest.Patience,
				})
				streamtest.Must(t, err)
				n := slices.IndexFunc(report.Findings, func(f doctor.Finding) bool { return f.Check == "delay" })
				t.Log(report.Findings[n].Detail)
				streamtest.Want(t, "the state of the delay", report.Findings[n].State, c.want)
			})
		}
	})
	t.Run("RefusesAURLThatIsNone", func(t *testing.T) {
		t.Parallel()
		streamtest.Want(t, "the exit status", command(t, "doctor", "--url", "comments.example.com").status, 1)
	})
}

// lateProxy starts a proxy that delays events, and answers to publications, by the given times in
// turn. It returns its address.
func lateProxy(t *testing.T, server string, events, answers []time.Duration) string {
	t.Helper()
	target, err := url.Parse(server)
	streamtest.Must(t, err)
	var published atomic.Int64
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
		ModifyResponse: func(answer *http.Response) error {
			switch answer.Request.URL.Path {
			case "/v1/publish":
				<-time.After(answers[int(published.Add(1))%len(answers)])
			case "/v1/events":
				answer.Body = &lateBody{ReadCloser: answer.Body, delays: events}
			}
			return nil
		},
	})
	t.Cleanup(front.Close)
	return front.URL
}

// A lateBody delays each part of a stream by the next of its delays.
type lateBody struct {
	io.ReadCloser
	delays []time.Duration
	parts  int
}

func (b *lateBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	<-time.After(b.delays[b.parts%len(b.delays)])
	b.parts++
	return n, err
}
