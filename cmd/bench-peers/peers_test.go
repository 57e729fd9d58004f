package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidings-live/tidings/cmd/internal/bench"
	"github.com/tidings-live/tidings/store/storetest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "floor" { // started again by floor.withServer
		main()
		return
	}
	storetest.TempInMemory()
	goleak.VerifyTestMain(m)
}

// trial returns a page about two peers and two rounds. In the second round the machine was
// half as fast.
func trial() page {
	p := page{
		began: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), machine: bench.Machine{CPU: "abacus", Cores: 2}, rounds: 2, scale: 1,
		peers: []described{{"Tidings", "we"}, {"Nchan", "they"}},
		cells: []cell{
			{name: "few", readers: 10, figures: []string{serverEach, databaseEach, p99}, compared: []string{serverEach, p99}},
			{name: "many", readers: 100, figures: []string{idle, serverEach}, compared: []string{idle, serverEach}},
		},
	}
	for round := range 2 {
		slow := float64(round + 1)
		p.rows = append(p.rows,
			row{round, "few", "Tidings", 10, figures{serverEach: 4 * slow, p99: 1.25}},
			row{round, "few", "Nchan", 10, figures{serverEach: 8 * slow, p99: 250.4}},
			row{round, "many", "Tidings", 100, figures{serverEach: 5 * slow, idle: 2}},
			row{round, "many", "Nchan", 100, figures{serverEach: 16 * slow, idle: 10, lost: 3}})
	}
	return p
}

func TestPage_ShowsMediansAndRatiosWithinARound(t *testing.T) {
	t.Parallel()
	text := trial().String()
	for _, line := range []string{
		"|  | server µs/delivery | p99 ms |\n", // without columns that are empty
		"| Tidings | 6 | 1.25 |\n| Nchan | 12 | 250 |\n",
		"| Tidings | 2 | 7.50 |\n| Nchan | 10 | 24 |\n",
		"| few: server µs/delivery | 0.50 |\n| few: p99 ms | 0.00 |\n| many: KB/idle reader | 0.20 |\n| many: server µs/delivery | 0.31 |\n",
		"with 100 readers ÷ CPU time per delivery with 10 readers,",
		"| Tidings | 1.25 |",
		"| many | 1 | Nchan | 32 | – | – | – | – | – | 10 | – | – | – | 3 | – | – |",
		"2 cores of abacus",
		"- **Nchan**: they.",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "trial") {
		t.Errorf("in\n%s", text)
	}
	p := trial()
	p.scale = 0.1
	if !strings.Contains(p.String(), "A trial") {
		t.Error("the page of a trial does not say so")
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for wanted, values := range map[float64][]float64{3: {9, 1, 3}, 2.5: {4, 1, 2, 3}, 7: {7}} {
		if got := median(values); got != wanted {
			t.Errorf("of %v: %v", values, got)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of no values is a number")
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for wanted, v := range map[string]float64{"–": math.NaN(), "0": 0, "3": 3, "0.05": 0.05, "9.99": 9.99, "12.3": 12.34, "123": 123.4, "12346": 12345.6} {
		if got := number(v); got != wanted {
			t.Errorf("%v: %s", v, got)
		}
	}
}

func TestConfigurations_UseAllArguments(t *testing.T) {
	t.Parallel()
	for _, conf := range []string{nginxConf, nginx.conf, haproxy.conf} {
		if text := fmt.Sprintf(conf, "ONE", "TWO", "THREE", "FOUR"); strings.Contains(text, "%!") || strings.Contains(text, "%[") {
			t.Error(text)
		}
	}
}

func TestRun_RefusesZeroRoundsAndScale(t *testing.T) {
	t.Parallel()
	for _, c := range []runCommand{{Rounds: 0, Scale: 1}, {Rounds: 1, Scale: 0}} {
		if err := c.Run(context.Background()); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestSelected_ReturnsPeersByName(t *testing.T) {
	t.Parallel()
	all := []peer{tidings{}, nchan{}, floor{}}
	selected, err := (&runCommand{Peers: []string{"The Floor", "tidings"}}).selected(all)
	if err != nil || !slices.Equal(selected, []peer{floor{}, tidings{}}) {
		t.Errorf("got %v, %v", selected, err)
	}
	if _, err := (&runCommand{Peers: []string{"tidings", "centrifugo"}}).selected(all); err == nil || !strings.Contains(err.Error(), "centrifugo") {
		t.Errorf("got %v, want an error that names the unknown peer", err)
	}
}
