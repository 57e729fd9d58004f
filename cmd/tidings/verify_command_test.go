package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/verify"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestVerifyCommand_ReportsFaults(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t, s.concurrent)
	drops, passes := tampers["DropsEvents"].make(), tampers["IsCorrect"].make()
	correct, broken := tampered(t, srv.url, passes), tampered(t, srv.url, drops)
	for server, tt := range map[string]struct {
		x    *tamper
		want error
	}{correct: {passes, nil}, broken: {drops, errVerifyFaults}} {
		want := tt.want
		c := &verifyCommand{
			URLs: []string{server}, DatabaseURL: s.dsn, Secret: testSecret,
			Readers: 6, Writers: 3, Duration: 5 * time.Minute, Seed: 7, Burst: 1, JSON: true,
			until: tt.x.brokeOften,
		}
		streamtest.Must(t, c.Validate())
		var out, progress bytes.Buffer
		if err := c.Run(t.Context(), streams{&out, &progress}); err != want {
			t.Errorf("got %v, want %v\n%s", err, want, out.String())
		}
		var report verify.Report
		streamtest.Must(t, json.Unmarshal(out.Bytes(), &report))
		if report.Acknowledged == 0 || report.Deliveries == 0 || report.Seed != 7 || report.Any() != (want != nil) {
			t.Errorf("got %+v", report)
		}
		var table bytes.Buffer
		report.Print(&table)
		for _, line := range []string{"acknowledged writes", "lost", "silent gaps", "commit to reader"} {
			if !strings.Contains(table.String(), line) {
				t.Errorf("no %q in\n%s", line, table.String())
			}
		}
	}
}

func TestVerifyCommand_RefusesWrongFlags(t *testing.T) {
	t.Parallel()
	good := verifyCommand{URLs: []string{"http://127.0.0.1"}, Secret: "s", Readers: 1, Writers: 1, Burst: 1, Duration: 1}
	streamtest.Must(t, good.Validate())
	for name, spoil := range map[string]func(*verifyCommand){
		"NoServer":            func(c *verifyCommand) { c.URLs = nil },
		"NothingCanBeWritten": func(c *verifyCommand) { c.Secret = "" },
		"NoReaders":           func(c *verifyCommand) { c.Readers = 0 },
		"NoDuration":          func(c *verifyCommand) { c.Duration = 0 },
		"ChaosWithURL":        func(c *verifyCommand) { c.Chaos = true },
	} {
		c := good
		spoil(&c)
		if c.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestVerify_FindsNoFaultsWhileFaultsAreInjected(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	streamtest.Must(t, err)
	report, err := verify.Run(t.Context(), verify.Config{
		Readers: 6, Writers: 3, Pace: 150 * time.Millisecond, Duration: 5 * time.Minute, Settle: 5 * time.Minute, Seed: 20, Progress: t.Output(),
		Until: func(a verify.Activity) bool {
			return injectedKinds(a.Injected) == len(verify.FaultKinds()) && a.Changes["likes"] >= 30
		},
		Chaos: &verify.Chaos{Program: program, Env: []string{asProgram + "=1"}, Burst: 500, Longest: 500 * time.Millisecond},
	})
	streamtest.Must(t, err)
	report.Print(t.Output())
	if report.Any() || len(report.Incomplete) > 0 || report.Decided["likes"].Decided == 0 {
		t.Errorf("found %+v, %d likes decided, left out %q", report.Faults, report.Decided["likes"].Decided, report.Incomplete)
	}
	if injectedKinds(report.Injected) < len(verify.FaultKinds()) || report.Deliveries == 0 {
		t.Errorf("%d deliveries, injected faults %v", report.Deliveries, report.Injected)
	}
}

// injectedKinds counts the kinds of faults that were injected at least once.
func injectedKinds(injected map[string]int64) (kinds int) {
	for _, n := range injected {
		kinds += min(1, int(n))
	}
	return kinds
}
