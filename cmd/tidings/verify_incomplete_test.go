package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/cmd/internal/verify"
	"github.com/tidings-live/tidings/store/storetest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

var progressOfWrites = regexp.MustCompile(`[1-9][0-9]{2,} writes`)

// busy reports whether a run has written and read enough to have something to report.
func busy(a verify.Activity) bool {
	return a.Writes >= 40 && a.Events >= 100 && a.Changes["likes"] > 0
}

// wantIncomplete checks the report of a run that could not check everything.
func wantIncomplete(t *testing.T, report *verify.Report, reason string) {
	t.Helper()
	if report.Any() {
		t.Errorf("found faults: %+v\n%s", report.Faults, strings.Join(report.Notes, "\n"))
	}
	if report.Acknowledged == 0 || report.Deliveries == 0 {
		t.Errorf("the report has %d writes and %d deliveries", report.Acknowledged, report.Deliveries)
	}
	if !strings.Contains(strings.Join(report.Incomplete, "\n"), reason) {
		t.Errorf("%q is not among the reasons %q", reason, report.Incomplete)
	}
}

func TestVerify_ReportsWhatIsKnown(t *testing.T) {
	t.Parallel()
	for _, withLog := range []bool{true, false} {
		config := func(t *testing.T) (*server, verify.Config) {
			s := newSite(t)
			srv := s.start(t, s.concurrent)
			cfg := verifyConfig(srv.url)
			if withLog {
				cfg.DatabaseURL = s.dsn
			}
			return srv, cfg
		}
		t.Run(fmt.Sprintf("WhenItIsStopped/Log=%v", withLog), func(t *testing.T) {
			t.Parallel()
			_, cfg := config(t)
			ctx, cancel := context.WithCancel(t.Context())
			cfg.Until = func(a verify.Activity) bool {
				if busy(a) {
					cancel()
				}
				return false
			}
			report, err := verify.Run(ctx, cfg)
			streamtest.Must(t, err)
			wantIncomplete(t, report, "stopped before the end")
			if report.Decided["likes"].Decided == 0 {
				t.Error("no like was decided")
			}
		})
		t.Run(fmt.Sprintf("WhenTheServerStaysDown/Log=%v", withLog), func(t *testing.T) {
			t.Parallel()
			srv, cfg := config(t)
			cfg.Settle = 2 * time.Second
			cfg.Until = func(a verify.Activity) bool {
				if !busy(a) {
					return false
				}
				srv.stop()
				return true
			}
			report, err := verify.Run(t.Context(), cfg)
			streamtest.Must(t, err)
			wantIncomplete(t, report, srv.url)
		})
	}
	t.Run("WhenOneOfTwoServersHangs", func(t *testing.T) {
		t.Parallel()
		srv := newSite(t).start(t)
		var hangs atomic.Bool
		second := tampered(t, srv.url, roundTrip(func(r *http.Request) (*http.Response, error) {
			if hangs.Load() {
				select {
				case <-r.Context().Done():
				case <-t.Context().Done():
				}
				return nil, context.Canceled
			}
			return http.DefaultTransport.RoundTrip(r)
		}))
		cfg := verifyConfig(srv.url, second)
		cfg.Settle = 8 * time.Second
		cfg.Until = func(a verify.Activity) bool {
			hangs.Store(busy(a))
			return busy(a)
		}
		report, err := verify.Run(t.Context(), cfg)
		streamtest.Must(t, err)
		wantIncomplete(t, report, second)
	})
}

func TestVerifyCommand_ExitsWith3IfItIsStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	progress := newLines()
	go func() {
		progress.await(t, progressOfWrites)
		cancel()
	}()
	var out strings.Builder
	status := execute(ctx, []string{
		"verify", "--url", s.start(t, s.concurrent).url, "--secret", testSecret, "--database-url", s.dsn, "--readers", "2", "--writers", "3", "--duration", "10m",
	}, streams{&out, progress})
	streamtest.Want(t, "the exit status", status, 3)
	for _, text := range []string{"acknowledged writes", " decided ", "this report is incomplete", "stopped before the end"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("no %q in\n%s", text, out.String())
		}
	}
}

// A server and a database of different deployments look like lost writes.
func TestVerify_RefusesOtherDeployments(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), storetest.Database(t)
	srv, second := s.start(t, s.concurrent), newSite(t).start(t)
	for name, tt := range map[string]struct {
		urls        []string
		dsn, secret string
		want        []string
	}{
		"DatabaseOfAnother":         {[]string{srv.url}, other, testSecret, []string{srv.url, "is not that of"}},
		"DatabaseOfAnotherNoSecret": {[]string{srv.url}, other, "", []string{srv.url, "is not that of"}},
		"ServersOfTwo":              {[]string{srv.url, second.url}, "", testSecret, []string{srv.url, second.url, "do not use the same database"}},
		"SecondServerHasAnother":    {[]string{srv.url, second.url}, s.dsn, testSecret, []string{second.url, "do not use the same database"}},
		"SecondServerHasAnotherToo": {[]string{srv.url, second.url}, s.dsn, "", []string{second.url, "is not that of"}},
		"SecretOfAnother":           {[]string{srv.url}, "", testSecret + "!", []string{srv.url, "another secret"}},
		"DatabaseWithoutTheSchema":  {[]string{srv.url}, storetest.Empty(t), testSecret, []string{"tidings"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := verifyConfig(tt.urls...)
			cfg.DatabaseURL, cfg.Secret = tt.dsn, tt.secret
			report, err := verify.Run(t.Context(), cfg)
			if err == nil || report != nil {
				t.Fatalf("got %v, %+v", err, report)
			}
			for _, text := range tt.want {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("no %q in %q", text, err)
				}
			}
		})
	}
}

// Other programs comment on and like the posts of the run, repeat the texts of its
// comments, and go on while the report is made.
func TestVerify_FindsNoFaultsInForeignTraffic(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t, s.concurrent)
	var written atomic.Int64
	for i := range 3 {
		ben := srv.as(t, fmt.Sprintf("ben-%d", i))
		inBackground(t, func(ctx context.Context) error {
			return every(ctx, 20*time.Millisecond, func() error { return s.disturb(ctx, ben, &written) })
		})
	}
	for _, withLog := range []bool{true, false} {
		t.Run(fmt.Sprintf("Log=%v", withLog), func(t *testing.T) {
			t.Parallel()
			cfg := verifyConfig(srv.url)
			if withLog {
				cfg.DatabaseURL = s.dsn
			}
			cfg.Until = func(a verify.Activity) bool { return written.Load() >= 50 && busy(a) }
			report, err := verify.Run(t.Context(), cfg)
			streamtest.Must(t, err)
			if report.Any() || len(report.Incomplete) > 0 {
				t.Errorf("found faults: %+v\n%s\n%q", report.Faults, strings.Join(report.Notes, "\n"), report.Incomplete)
			}
		})
	}
}

// Others like and comment on the posts of the run before its readers start.
func TestVerify_KnowsCountsFromBeforeItsReaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t, s.concurrent)
	var once sync.Once
	x := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/v1/events" || r.URL.Path == "/v1/poll" {
			once.Do(func() {
				s.exec(t, `insert into tidings.comments (post_id, author_id, body) select id, 'ben', 'early' from tidings.posts`)
				s.exec(t, `insert into tidings.likes (post_id, user_id) select id, 'ben' from tidings.posts`)
			})
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	cfg := verifyConfig(tampered(t, srv.url, x))
	cfg.Until = func(a verify.Activity) bool { return a.Changes["likes"] > 0 }
	report, err := verify.Run(t.Context(), cfg)
	streamtest.Must(t, err)
	if report.Any() {
		t.Errorf("found faults: %+v\n%s", report.Faults, strings.Join(report.Notes, "\n"))
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// disturb comments on a random post of the run and likes or unlikes it. It does nothing
// before there is a post.
func (s *site) disturb(ctx context.Context, who *client.Client, written *atomic.Int64) error {
	var post string
	err := s.sql.QueryRow(ctx, `
		select coalesce((
			select id
			from tidings.posts
			where id like 'verify-%'
			order by random()
			limit 1
		), '')`).Scan(&post)
	if err != nil || post == "" {
		return err
	}
	if _, err := who.CreateComment(ctx, post, client.NewComment{Body: "verify 1 and so on"}); err != nil {
		return err
	}
	like := who.LikePost
	if written.Add(1)%2 == 0 {
		like = who.UnlikePost
	}
	_, err = like(ctx, post)
	return err
}
