package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/printable"
)

// Config says what to check. URL is required.
type Config struct {
	URL         string        // address that browsers use, with the path of the API if it has one
	Token       string        // with the role service; "" skips the checks that need it
	DatabaseURL string        // "" skips the checks of the database
	ListenURL   string        // of the same database without a pooler; "" is DatabaseURL
	Idle        time.Duration // how long the idle stream is watched; 0 skips the check
	Poll        time.Duration // how long the poll waits; 0 skips the check
	Patience    time.Duration // how long the first bytes of a stream may take
	// Transport makes the requests. Nil is a transport with the defaults of net/http.
	Transport *http.Transport
}

// The states of a check.
const (
	OK      = "ok"
	Wrong   = "wrong"
	Skipped = "skipped"
)

// Finding is the result of one check.
type Finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // OK, Wrong or Skipped
	Detail string `json:"detail"`
	Fix    []Line `json:"fix,omitempty"` // what to add, for each proxy that may be the cause
}

// Line is a line of a configuration.
type Line struct {
	For  string `json:"for"` // the proxy, or the program that the setting belongs to
	Text string `json:"text"`
}

// Report is the result of a run.
type Report struct {
	URL      string    `json:"url"`
	Proxies  []string  `json:"proxies"` // that the answers name
	Findings []Finding `json:"findings"`
}

// Any reports whether a check found a fault. A skipped check is none.
func (r *Report) Any() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.State == Wrong })
}

// Print writes the report as text: the address and the proxies, a line for each check, and
// below it a line for each line to add. Text of proxies and servers adds no line. Errors of w are
// ignored.
func (r *Report) Print(w io.Writer) {
	proxies := "no proxy names itself in the answers"
	if len(r.Proxies) > 0 {
		proxies = "behind " + strings.Join(r.Proxies, ", ")
	}
	fmt.Fprintf(w, "%s, %s\n\n", r.URL, proxies)
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-8s %-11s %s\n", f.State, f.Check, printable.Line(f.Detail))
		for _, line := range f.Fix {
			fmt.Fprintf(w, "%-20s %s: %s\n", "", line.For, printable.Line(line.Text))
		}
	}
}

// examination is one run.
type examination struct {
	cfg    Config
	base   *url.URL
	http   *http.Client
	client *client.Client // with the token, if there is one
	topic  string
	// proxies are those that the last answer of /healthz names, and trip is the shortest time
	// of a request for it and its answer. checkReachable sets both before the other checks
	// begin, which only read them.
	proxies []string
	trip    time.Duration
}

// Run makes the checks. It returns an error without a report if the configuration cannot
// be used, and an error with a report if ctx ends: the checks that it ended are skipped. A
// server that cannot be reached is a finding.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	x, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	defer x.http.CloseIdleConnections()
	reached := x.checkReachable(ctx)
	if ctx.Err() != nil {
		reached = skipped(reached.Check, "stopped before the end")
	}
	report := &Report{URL: cfg.URL, Proxies: x.proxies, Findings: []Finding{reached}}
	checks := []func(context.Context) Finding{x.checkDatabase}
	if reached.State == OK {
		checks = []func(context.Context) Finding{
			x.checkBuffering, x.checkDelay, x.checkIdle, x.checkPoll, x.checkOwnOrigin, x.checkAddresses, x.checkDatabase,
		}
	}
	findings := make([]Finding, len(checks))
	var group sync.WaitGroup
	for n, check := range checks {
		group.Go(func() {
			findings[n] = check(ctx)
			if ctx.Err() != nil && findings[n].State != OK {
				findings[n] = skipped(findings[n].Check, "stopped before the end")
			}
		})
	}
	group.Wait()
	report.Findings = append(report.Findings, findings...)
	return report, context.Cause(ctx)
}

// prepare makes the clients of a run, with topics of its own, so that runs at the same time
// do not see each other's events. It returns an error if URL is not an http or https URL.
func prepare(cfg Config) (*examination, error) {
	base, err := url.Parse(strings.TrimSuffix(cfg.URL, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%q is not an address of the form https://host[:port][/path]", cfg.URL)
	}
	transport := cfg.Transport
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	h := &http.Client{Transport: transport}
	c, err := client.New(base.String(), client.WithHTTPClient(h), client.WithToken(cfg.Token))
	if err != nil {
		return nil, err
	}
	return &examination{
		cfg: cfg, base: base, http: h, client: c,
		topic: fmt.Sprintf("post:doctor-%d", time.Now().UnixNano()),
	}, nil
}

// ok makes the finding of a check that found nothing wrong.
func ok(check, format string, args ...any) Finding {
	return Finding{Check: check, State: OK, Detail: fmt.Sprintf(format, args...)}
}

// skipped makes the finding of a check that was not made. The reason says how to have it made,
// or which other finding to read.
func skipped(check, reason string) Finding {
	return Finding{Check: check, State: Skipped, Detail: reason}
}

// wrong makes the finding of a check that found a fault, with the lines that mend it; nil if
// no line of a configuration does.
func wrong(check string, fix []Line, format string, args ...any) Finding {
	return Finding{Check: check, State: Wrong, Detail: fmt.Sprintf(format, args...), Fix: fix}
}
