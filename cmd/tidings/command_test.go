package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A result is the exit status and the output of a command.
type result struct {
	status   int
	out, err string
}

// command runs a command in this process.
func command(t *testing.T, args ...string) result {
	t.Helper()
	var out, err strings.Builder
	status := execute(t.Context(), args, streams{&out, &err})
	return result{status, out.String(), err.String()}
}

// wants checks the status, and that the output contains the text.
func (r result) wants(t *testing.T, status int, text string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.out+r.err, text) {
		t.Errorf("got %d, want %d and %q in\n%s%s", r.status, status, text, r.out, r.err)
	}
}

func TestExecute_GivesTheExitStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, line string
		status     int
		output     string
	}{
		{"Help", "--help", 0, "Serve the API"},
		{"HelpOfACommand", "serve --help", 0, "TIDINGS_JWT_SECRET"},
		{"NoCommand", "", 2, "expected one of"},
		{"UnknownCommand", "sing", 2, "unexpected argument sing"},
		{"UnknownFlag", "tail post:a --loud", 2, "unknown flag --loud"},
		{"MissingFlag", "token", 2, "missing flags: --sub"},
		{"MissingArgument", "tail", 2, "<topic>"},
		{"MissingDatabase", "migrate", 2, "--database-url"},
		{"FlagWithTheWrongType", "token --sub ann --ttl soon", 2, "--ttl"},
		{"FlagOutsideItsEnum", "migrate --database-url x --log-level loud", 2, "--log-level"},
		{"MalformedDatabase", "migrate --database-url nonsense", 1, "parse DSN"},
		{"MalformedAddress", "health --addr nonsense", 1, "address"},
		{"ShortSecret", "serve --database-url postgres:// --no-migrate --jwt-secret short", 1, "32"},
		{"MalformedKey", "serve --database-url postgres:// --no-migrate --jwt-public-key nonsense", 1, "PEM"},
		{"KeyFileWithoutPEM", "serve --database-url postgres:// --no-migrate --jwt-public-key main.go", 1, "TIDINGS_JWT_PUBLIC_KEY, main.go, has no PEM"},
		{"MalformedOrigin", "serve --database-url postgres:// --no-migrate --allowed-origins nonsense", 1, "nonsense"},
		{"MaxStreamsOfZero", "serve --database-url postgres:// --max-streams 0", 2, "--max-streams"},
		{"MaxStreamsPerAddressOfZero", "serve --database-url postgres:// --max-streams-per-address 0", 2, "--max-streams-per-address"},
		{"MaxStreamsPerUserOfZero", "serve --database-url postgres:// --max-streams-per-user 0", 2, "--max-streams-per-user"},
		{"MalformedProxy", "dev --trusted-proxies proxy.example", 2, "proxy.example"},
		{"CertificateWithoutKey", "dev --tls-cert cert.pem", 2, "--tls-key"},
		{"RateLimitsOfZero", "dev --rate-limits comments=0/5", 2, "--rate-limits"},
		{"MalformedRateLimits", "dev --rate-limits some", 2, "--rate-limits"},
		{"PrivateKindsCannotBePublic", "serve --database-url postgres:// --no-migrate --public-kinds user", 1, "user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			command(t, strings.Fields(c.line)...).wants(t, c.status, c.output)
		})
	}
}

// An answer of a server cannot look like another line of a command.
func TestExecute_BeginsEachLineOfAnErrorWithItsName(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"status": 400, "code": "invalid_topic", "detail": "a\r\nall is well"}`)
	}))
	defer server.Close()
	got := command(t, "tail", "post:a", "--url", server.URL)
	streamtest.Want(t, "the exit status", got.status, 1)
	for line := range strings.Lines(got.out + got.err) {
		if !strings.HasPrefix(line, "tidings: ") {
			t.Errorf("the output has the line %q", line)
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	verifier, err := auth.NewVerifier(auth.Config{Secret: testSecret})
	streamtest.Must(t, err)

	t.Run("HasTheClaimsOfTheFlags", func(t *testing.T) {
		t.Parallel()
		before := time.Now()
		r := command(t, "token", "--secret", testSecret, "--sub", "auth0|5f", "--name", "Ann", "--picture", "https://example.org/ann.png",
			"--role", "moderator", "--role", "service", "--topic", "team:7", "--topic", "course:*", "--ttl", "90s")
		after := time.Now()
		streamtest.Want(t, "the exit status", r.status, 0)
		who, err := verifier.Verify(strings.TrimSpace(r.out))
		streamtest.Must(t, err)
		// A token has its end in whole seconds, and its beginning in milliseconds.
		if who.Issued.Before(before.Add(-time.Millisecond)) || who.Issued.After(after) {
			t.Errorf("the token was issued at %v, want %v to %v", who.Issued, before, after)
		}
		if earliest, latest := before.Add(89*time.Second), after.Add(90*time.Second); who.Expires.Before(earliest) || who.Expires.After(latest) {
			t.Errorf("the token expires at %v, want %v to %v", who.Expires, earliest, latest)
		}
		who.Expires, who.Issued = time.Time{}, time.Time{}
		streamtest.Want(t, "the identity", who, auth.Identity{
			Subject: "auth0|5f", Name: "Ann", Picture: new("https://example.org/ann.png"), Roles: []string{"moderator", "service"},
			Topics: []string{"team:7", "course:*"},
		})
	})

	t.Run("IsSignedWithTheSecretOfDev", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		command(t, "token", "--sub", "ann", "--dir", dir).wants(t, 1, "TIDINGS_JWT_SECRET")
		streamtest.Must(t, os.WriteFile(filepath.Join(dir, "jwt-secret"), []byte(testSecret), 0o600))
		r := command(t, "token", "--sub", "ann", "--dir", dir)
		streamtest.Want(t, "the exit status", r.status, 0)
		_, err := verifier.Verify(strings.TrimSpace(r.out))
		streamtest.Must(t, err)
	})

	t.Run("IsRefusedIfNoServerWouldAcceptIt", func(t *testing.T) {
		t.Parallel()
		command(t, "token", "--secret", testSecret, "--sub", "a b").wants(t, 1, "--sub")
		command(t, "token", "--secret", testSecret, "--sub", "ann", "--ttl=-1s").wants(t, 1, "--ttl")
		for _, topic := range []string{"team", "team:", "*", "team:a b", "user:ann", "user:*", "site:*"} {
			command(t, "token", "--secret", testSecret, "--sub", "ann", "--topic", topic).wants(t, 1, "--topic")
		}
		command(t, "token", "--secret", "short", "--sub", "ann").wants(t, 1, "32")
	})
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	s := siteAt(t, storetest.Empty(t))
	command(t, "migrate", "--database-url", s.dsn+fewConnections).wants(t, 0, "schema is up to date")
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('a', 'ann', 'kept')`)
	command(t, "migrate", "--database-url", s.dsn, "--log-format", "json").wants(t, 0, `"msg":"schema is up to date"`)
	streamtest.Want(t, "events", len(s.logged(t, "post:a")), 2)
	// migrate uses the URL that leads to Postgres without a pooler.
	command(t, "migrate", "--database-url", "postgres://nowhere.invalid", "--listen-url", s.dsn).wants(t, 0, "up to date")
}

func TestHealth(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t)
	streamtest.Want(t, "the status for a server", command(t, "health", "--addr", strings.TrimPrefix(srv.url, "http://")).status, 0)
	command(t, "health", "--addr", "127.0.0.1:1").wants(t, 1, "refused")

	over := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer over.Close()
	addr := over.Listener.Addr().String()
	streamtest.Want(t, "the status for a server with a certificate", command(t, "health", "--addr", addr, "--tls-cert", "cert.pem").status, 0)
	command(t, "health", "--addr", addr).wants(t, 1, "400")
}

func TestTail(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	s.exec(t, `select tidings.publish('post:a', 'past', '{"n": 1}')`)

	for name, transport := range map[string][]string{"SSE": nil, "Poll": {"--poll"}} {
		args := func(args ...string) []string { return append(append(args, "--url", srv.url), transport...) }
		t.Run("PrintsEventsBy"+name, func(t *testing.T) {
			t.Parallel()
			said := tail(t, args("--cursor", "earliest", "post:a", "post:"+name)...)
			said.await(t, regexp.MustCompile(`1-1 +past +post:a +\{"n":1\}\n`))
			comment(t, srv.as(t, "ann"), name, "hello")
			said.await(t, regexp.MustCompile(`1-\d+ +new-comment +post:`+name+` +\{.*"body":"hello".*\}\n`))
		})
		t.Run("PrintsJSONBy"+name, func(t *testing.T) {
			t.Parallel()
			said := tail(t, args("--cursor", "1-0", "--json", "post:a")...)
			var event client.Event
			streamtest.Must(t, json.Unmarshal([]byte(said.await(t, regexp.MustCompile(`(.*"past".*)\n`))), &event))
			streamtest.Want(t, "the event", event, client.Event{ID: "1-1", Name: "past", Topic: "post:a", Data: json.RawMessage(`{"n":1}`)})
		})
		t.Run("ReadsPrivateTopicsWithATokenBy"+name, func(t *testing.T) {
			t.Parallel()
			s.exec(t, `select tidings.publish('user:ann', 'private', '{}')`)
			mine := token(t, auth.Identity{Subject: "ann", Expires: time.Now().Add(time.Hour)})
			tail(t, args("--token", mine, "--cursor", "earliest", "me")...).await(t, regexp.MustCompile(`private +user:ann +\{\}\n`))
			command(t, args("tail", "me")...).wants(t, 1, "401 unauthenticated")
			command(t, args("tail", "nonsense")...).wants(t, 1, "400 invalid_topic")
		})
	}

	t.Run("ReconnectsWhenTheServerIsBack", func(t *testing.T) {
		t.Parallel()
		first := s.start(t)
		said := tail(t, "--url", first.url, "post:back")
		said.await(t, regexp.MustCompile(`stream.ready`))
		first.stop()
		said.await(t, regexp.MustCompile(`connection to http:\S+ ended \(EOF\), reconnecting in`))
		s.exec(t, `select tidings.publish('post:back', 'meanwhile', '{}')`)
		s.start(t, func(i *instance) { i.addr = strings.TrimPrefix(first.url, "http://") })
		said.await(t, regexp.MustCompile(`meanwhile +post:back`))
	})
}

// tail runs 'tidings tail' until the test ends, and checks that its exit status is 0.
func tail(t *testing.T, args ...string) (said *lines) {
	t.Helper()
	said = newLines()
	inBackground(t, func(ctx context.Context) error {
		defer said.Close()
		if status := execute(ctx, append([]string{"tail"}, args...), streams{said, said}); status != 0 {
			return fmt.Errorf("exit status %d:\n%s", status, said)
		}
		return nil
	})
	return said
}
