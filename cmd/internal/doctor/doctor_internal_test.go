package doctor

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// Each line that the doctor advises is in a configuration that is tested.
func TestAdvice_IsOnThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/proxies.md")
	streamtest.Must(t, err)
	for fault, lines := range advice {
		for _, line := range lines {
			if fault != compressed && !strings.Contains(string(page), line.Text) {
				t.Errorf("docs/proxies.md does not have %q for %s", line.Text, line.For)
			}
		}
	}
}

func TestRecognize_FindsTheProxiesThatAnAnswerNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		server, via string
		want        []string
	}{
		{"", "", []string{}},
		{"nginx/1.22.1", "", []string{nginx}},
		{"Caddy", "", []string{caddy}},
		{"", "1.1 varnish (Varnish/7.1)", []string{varnish}},
		{"nginx", "1.1 proxy (squid/5.7)", []string{nginx, squid}},
	} {
		header := http.Header{}
		header.Set("Server", c.server)
		header.Set("Via", c.via)
		streamtest.Want(t, "the proxies of "+c.server+" "+c.via, recognize(header), c.want)
	}
}

func TestJudgeAddress(t *testing.T) {
	t.Parallel()
	local := &net.TCPAddr{IP: net.ParseIP("198.51.100.7"), Port: 4000}
	for name, c := range map[string]struct {
		seen    client.Connection
		proxies []string
		state   string
		fix     string
	}{
		"Direct":         {client.Connection{Address: "198.51.100.7", Peer: "198.51.100.7:4000"}, nil, OK, ""},
		"TrustedProxy":   {client.Connection{Address: "198.51.100.7", Peer: "10.0.0.1:5", ForwardedFor: []string{"198.51.100.7"}}, []string{nginx}, OK, ""},
		"UntrustedProxy": {client.Connection{Address: "10.0.0.1", Peer: "10.0.0.1:5", ForwardedFor: []string{"198.51.100.7"}}, nil, Wrong, "TIDINGS_TRUSTED_PROXIES=10.0.0.1"},
		"SecondProxyIsUntrusted": {client.Connection{Address: "10.0.0.2", Peer: "10.0.0.1:5", ForwardedFor: []string{"198.51.100.7, 10.0.0.2"}}, nil, Wrong,
			"TIDINGS_TRUSTED_PROXIES=10.0.0.1,10.0.0.2"},
		"Hidden":                 {client.Connection{Address: "203.0.113.1", Peer: "203.0.113.1:5"}, []string{haproxy}, Wrong, "option forwardfor"},
		"HiddenByALocal":         {client.Connection{Address: "10.0.0.1", Peer: "10.0.0.1:5"}, []string{haproxy}, Wrong, "option forwardfor"},
		"OneAddress":             {client.Connection{Address: "10.0.0.1", Peer: "10.0.0.1:5", ForwardedFor: []string{"10.0.0.1"}}, nil, Skipped, ""},
		"OneAddressOfTwoProxies": {client.Connection{Address: "10.0.0.1", Peer: "10.0.0.1:5", ForwardedFor: []string{"10.0.0.1", "10.0.0.1:99"}}, nil, Skipped, ""},
		"NetworkTranslate":       {client.Connection{Address: "203.0.113.1", Peer: "203.0.113.1:5"}, nil, OK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := &examination{proxies: c.proxies}
			got := x.judgeAddress(c.seen, local)
			streamtest.Want(t, "the state", got.State, c.state)
			if c.fix != "" && (len(got.Fix) == 0 || got.Fix[0].Text != c.fix) {
				t.Errorf("the lines are %v, want %s", got.Fix, c.fix)
			}
		})
	}
}

func TestCheckDatabase(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, dsn string) Finding {
		x := &examination{cfg: Config{DatabaseURL: dsn}}
		return x.checkDatabase(t.Context())
	}
	wants := func(t *testing.T, got Finding, text string) {
		t.Helper()
		streamtest.Want(t, "the state", got.State, Wrong)
		if !strings.Contains(got.Detail, text) {
			t.Errorf("the detail is %q, want %q in it", got.Detail, text)
		}
	}
	t.Run("MigratedDatabaseIsRight", func(t *testing.T) {
		t.Parallel()
		streamtest.Want(t, "the state", check(t, storetest.Database(t)).State, OK)
	})
	t.Run("DatabaseWithoutSchema", func(t *testing.T) {
		t.Parallel()
		wants(t, check(t, storetest.Empty(t)), "no schema tidings")
	})
	t.Run("DatabaseThatIsReadOnly", func(t *testing.T) {
		t.Parallel()
		dsn := storetest.Database(t)
		conn, err := pgx.Connect(t.Context(), dsn)
		streamtest.Must(t, err)
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), `
			do $$ begin
				execute format('alter database %I set default_transaction_read_only = on', current_database());
			end $$`)
		streamtest.Must(t, err)
		wants(t, check(t, dsn), "cannot be written")
	})
	t.Run("DatabaseWithAnotherRolesFunction", func(t *testing.T) {
		t.Parallel()
		dsn := storetest.Database(t)
		conn, err := pgx.Connect(t.Context(), dsn)
		streamtest.Must(t, err)
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), `
			create function tidings.publish(text, text, json) returns bigint language sql as 'select 0::bigint';
			revoke execute on function tidings.publish(text, text, json) from public`)
		streamtest.Must(t, err)
		got := check(t, dsn)
		wants(t, got, "tidings.publish(text,text,json) is not of Tidings")
		streamtest.Want(t, "what mends it", got.Fix, []Line{{"Postgres", "drop routine tidings.publish(text,text,json)"}})
	})
	t.Run("DatabaseThatDoesNotAnswer", func(t *testing.T) {
		t.Parallel()
		wants(t, check(t, "postgres://127.0.0.1:1/none"), "cannot be reached")
	})
}

// A login page in front of the server answers everything with 200 and HTML.
func TestCheckBuffering_RefusesOtherPages(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<html>")
	}))
	defer page.Close()
	x, err := prepare(Config{URL: page.URL, Patience: streamtest.Patience})
	streamtest.Must(t, err)
	defer x.http.CloseIdleConnections()
	got := x.checkBuffering(t.Context())
	streamtest.Want(t, "the state", got.State, Wrong)
	if !strings.Contains(got.Detail, "text/html") {
		t.Errorf("the detail is %q", got.Detail)
	}
}

// An answer of a proxy cannot look like another line of the report.
func TestReport_TextOfStrangersAddsNoLine(t *testing.T) {
	t.Parallel()
	report := &Report{URL: "http://x", Findings: []Finding{
		wrong("reachable", []Line{{"tidings serve", "a\nok       delay       b"}}, "the server is not ready: %s", "<html>\r\nok       delay       \x1b[2J"),
	}}
	var text strings.Builder
	report.Print(&text)
	streamtest.Want(t, "the number of lines", strings.Count(text.String(), "\n"), 4)
	if strings.ContainsAny(text.String(), "\r\x1b") {
		t.Errorf("the report is %q", text.String())
	}
}
