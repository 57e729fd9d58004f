package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/bench"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestBench_RefusesWrongCommandLines(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"--readers 0", "--messages -1", "--likes 0", "--likers 0", "--viewers 0", "--events 0", "--thread 0", "--lists 0", "--only conditions --url http://127.0.0.1:1 --secret x", "--rate 0", "--duration 0s", "--transport smoke", "--stopped -1", "--only everything", "--url http://127.0.0.1:1",
		"--against /no/such/program", "--against /bin/sh --rounds 0", "--against /bin/sh --only conditions", "--against /bin/sh --url http://127.0.0.1:1 --secret x",
	} {
		if status := execute(t.Context(), append([]string{"bench"}, strings.Fields(args)...), streams{io.Discard, io.Discard}); status != 2 {
			t.Errorf("%s: exit status %d", args, status)
		}
	}
}

// measured runs the command with small numbers. It returns the figures of the JSON and
// the tables.
func measured(t *testing.T, args ...string) (figures map[string]any, tables string) {
	t.Helper()
	var out, tellings bytes.Buffer
	args = append([]string{"bench", "--json", "--comments=5", "--publishers=4", "--audience=6",
		"--duration=200ms", "--readers=20", "--messages=10", "--rate=200", "--thread=200", "--lists=3"}, args...)
	if status := execute(t.Context(), args, streams{&out, &tellings}); status != 0 {
		t.Fatalf("exit status %d\n%s", status, tellings.String())
	}
	streamtest.Must(t, json.Unmarshal(out.Bytes(), &figures))
	return figures, tellings.String()
}

// The command measures each section of one server, over both transports.
func TestBench(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := measuredServer{s, s.start(t)}
	t.Run("MeasuresAServer", m.measuresAServer)
	t.Run("MeasuresOneSection", m.measuresOneSection)
	t.Run("MeasuresTheFanOutOfPolls", m.measuresTheFanOutOfPolls)
	t.Run("ToleratesReadersThatStopReading", m.toleratesReadersThatStopReading)
	t.Run("CountsLikes", m.countsLikes)
	for _, transport := range []string{"sse", "poll"} {
		t.Run("CutsReadersOffAndChurns/"+transport, func(t *testing.T) { m.cutsReadersOffAndChurns(t, transport) })
	}
	t.Run("CountsPresenceAndTyping", m.countsPresenceAndTyping)
	t.Run("TellsTheDatabasesTimeFromTheServers", m.tellsTheDatabasesTimeFromTheServers)
}

// A measuredServer is a server that the command measures.
type measuredServer struct {
	s   *site
	srv *server
}

// measured is measured for this server.
func (m measuredServer) measured(t *testing.T, args ...string) (figures map[string]any, tables string) {
	t.Helper()
	return measured(t, append([]string{"--url=" + m.srv.url, "--secret=" + testSecret}, args...)...)
}

func (m measuredServer) measuresAServer(t *testing.T) {
	figures, tables := m.measured(t, "--database-url="+m.s.dsn+fewConnections, "--transport=sse")
	wantFigures(t, figures, benchFigures)
	for _, title := range []string{"Latency, idle", "Writes: 4 writers onto 4 posts", "Writes: 4 writers onto one post", "Lists of a post with 200 comments", "Fan-out: 20 readers"} {
		if !strings.Contains(tables, title) {
			t.Errorf("no %q in\n%s", title, tables)
		}
	}
	left := value[int](t, m.s, `select count(*)::int from pg_tables where tablename like 'tidings\_bench%'`)
	streamtest.Want(t, "scratch tables left behind", left, 0)
}

func (m measuredServer) measuresOneSection(t *testing.T) {
	figures, _ := m.measured(t, "--only=latency")
	wantFigures(t, figures, map[string]float64{"latency.comments": 5, "latency.post.count": 5})
	for _, absent := range []string{"writes", "fanout"} {
		if figures[absent] != nil {
			t.Errorf("%s was measured, too", absent)
		}
	}
}

// The transport decides about the fan-out alone.
func (m measuredServer) measuresTheFanOutOfPolls(t *testing.T) {
	figures, tables := m.measured(t, "--transport=poll", "--only=fanout", "--database-url="+m.s.dsn)
	wanted := maps.Clone(benchFigures)
	maps.DeleteFunc(wanted, func(path string, _ float64) bool { return !strings.HasPrefix(path, "fanout.") })
	wantFigures(t, figures, wanted)
	if title := "Fan-out: 20 readers"; !strings.Contains(tables, title) {
		t.Errorf("no %q in\n%s", title, tables)
	}
}

func (m measuredServer) toleratesReadersThatStopReading(t *testing.T) {
	figures, tables := m.measured(t, "--only=fanout", "--stopped=2")
	wantFigures(t, figures, map[string]float64{
		"fanout.readers": 20, "fanout.stopped": 2, "fanout.paced.deliveries": 200, "fanout.flatOut.deliveries": 800, "fanout.paced.faults.lost": -1,
	})
	streamtest.Want(t, "the stopped readers are printed", strings.Contains(tables, "and 2 readers that stopped reading"), true)
}

func (m measuredServer) countsLikes(t *testing.T) {
	likes := func() int { return value[int](t, m.s, `select count(*)::int from tidings.likes`) }
	before := likes()
	figures, tables := m.measured(t, "--only=likes", "--likes=40", "--likers=4", "--viewers=3")
	wantFigures(t, figures, map[string]float64{
		"likes.likes": 40, "likes.writers": 4, "likes.failed": -1, "likes.counted": 40, "likes.seen.viewers": 3, "likes.likesPerSecond": 0, "likes.put.count": 40,
	})
	streamtest.Want(t, "likes in the database", likes()-before, 40)
	if title := "Likes: 4 writers onto one post with 3 readers"; !strings.Contains(tables, title) {
		t.Errorf("no %q in\n%s", title, tables)
	}
}

func (m measuredServer) cutsReadersOffAndChurns(t *testing.T, transport string) {
	figures, tables := m.measured(t, "--transport="+transport,
		"--only=storm,churn", "--cycles=100", fmt.Sprintf("--pid=%d", os.Getpid()))
	wantFigures(t, figures, map[string]float64{
		"storm.readers": 20, "storm.posts": 20, "storm.reconnectedSeconds": 0, "storm.caughtUpSeconds": 0,
		"storm.delivery.messages": 80, "storm.delivery.deliveries": 80, "storm.delivery.faults.cuts": 20,
		"storm.delivery.faults.lost": -1, "storm.delivery.faults.duplicated": -1, "storm.delivery.faults.reordered": -1,
		"churn.cycles": 20, "churn.failed": -1, "churn.open.p50Ms": 0, "churn.before.residentKB": 0, "churn.after.descriptors": 0,
		// A reader that misses no event while it is away reads nothing from memory.
		"storm.fromMemory": whatever, "storm.logReads": -1, "churn.before.heapKB": 0, "churn.after.goroutines": 0,
	})
	for _, title := range []string{"Storm: 20 readers of 20 posts", "Churn: 20 streams"} {
		if !strings.Contains(tables, title) {
			t.Errorf("no %q in\n%s", title, tables)
		}
	}
}

func (m measuredServer) countsPresenceAndTyping(t *testing.T) {
	figures, tables := m.measured(t, "--only=presence", "--duration=2s", "--visits=10", "--typists=3")
	wantFigures(t, figures, map[string]float64{
		"presence.readers": 20, "presence.moving.changes": 0, "presence.moving.failed": -1, "presence.moving.pace.deliveries": 0,
		"presence.moving.pace.largestBytes": 0, "presence.typing.changes": 2, "presence.typing.failed": -1, "presence.typing.pace.deliveries": 0,
		"presence.typing.pace.mostPerReader": 0,
	})
	if title := "Presence: 20 readers of one post"; !strings.Contains(tables, title) {
		t.Errorf("no %q in\n%s", title, tables)
	}
}

// An older server has no presence, either.
func TestBench_SkipsPresenceThatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t, func(i *instance) { i.Presence = off })
	figures, _ := measured(t, "--url="+srv.url, "--secret="+testSecret, "--only=presence")
	streamtest.Want(t, "the section", figures["presence"], nil)
}

// benchFigures are the figures that the JSON must have, by path. 0 stands for any number
// above 0, and -1 stands for 0.
var benchFigures = map[string]float64{
	"machine.cores": 0, "latency.comments": 5, "latency.post.p50Ms": 0, "latency.post.p99Ms": 0, "latency.post.maxMs": 0,
	"latency.sse.fromStart.p50Ms": 0, "latency.sse.fromStart.p99Ms": 0, "latency.sse.fromAnswer.count": 5,
	"latency.poll.fromStart.p50Ms": 0, "latency.poll.fromAnswer.count": 5,
	"latency.floor.insert.p50Ms": 0, "latency.floor.notify.p50Ms": 0, "latency.floor.insertAndNotify.p50Ms": 0,
	"latency.ratios.postToInsert": 0, "latency.ratios.sseToInsertAndNotify": 0, "latency.ratios.pollToInsertAndNotify": 0,
	"latency.sameRows.insert.count": 5, "latency.sameRows.insert.p50Ms": 0, "latency.sameRows.read.count": 5,
	"latency.ratios.postToSameRows": 0, "latency.ratios.sseToSameRowsRead": 0, "latency.ratios.pollToSameRowsRead": 0,
	"latency.faults.lost": -1, "latency.faults.duplicated": -1, "latency.faults.reordered": -1,

	"writes.0.posts": 4, "writes.0.readers": 4, "writes.1.posts": 1, "writes.1.readers": 6,
	"writes.0.comments": 0, "writes.0.failed": -1, "writes.0.commentsPerSecond": 0, "writes.0.post.p50Ms": 0, "writes.0.post.p99Ms": 0,
	"writes.0.seen.p50Ms": 0, "writes.0.faults.lost": -1, "writes.0.faults.duplicated": -1, "writes.0.faults.reordered": -1,
	"writes.1.commentsPerSecond": 0, "writes.1.faults.lost": -1, "writes.1.faults.duplicated": -1, "writes.1.cost.seconds": 0,

	"lists.comments": 200, "lists.each.0.readers": 1, "lists.each.1.readers": 16, "lists.each.0.lists.5.answer.count": 3,
	"lists.each.1.lists.3.answer.p95Ms": 0, "lists.each.1.lists.3.p50OfFirst": 0, "lists.each.1.lists.3.p95OfFlat": 0,

	"fanout.readers": 20, "fanout.connect.perSecond": 0, "fanout.paced.messages": 10, "fanout.paced.deliveries": 200,
	"fanout.paced.deliveriesPerSecond": 0, "fanout.paced.latency.p50Ms": 0, "fanout.paced.latency.p99Ms": 0, "fanout.paced.latency.maxMs": 0,
	"fanout.paced.publish.p50Ms": 0, "fanout.paced.faults.lost": -1, "fanout.paced.faults.duplicated": -1, "fanout.paced.faults.reordered": -1,
	"fanout.flatOut.messages": 40, "fanout.flatOut.deliveries": 800, "fanout.flatOut.deliveriesPerSecond": 0,
	"fanout.flatOut.faults.lost": -1, "fanout.flatOut.faults.duplicated": -1, "fanout.flatOut.faults.cuts": -1, "fanout.paced.cost.seconds": 0,

	"presence.readers": 20, "presence.moving.changes": 0, "presence.moving.failed": -1, "presence.typing.failed": -1,
}

// whatever is a wanted figure that may have any value.
var whatever = math.Inf(-1)

// wantFigures compares figures with their values. 0 stands for any positive value, and -1 for 0.
func wantFigures(t *testing.T, figures map[string]any, wanted map[string]float64) {
	t.Helper()
	for path, w := range wanted {
		got, ok := figureAt(figures, path).(float64)
		switch {
		case !ok:
			t.Errorf("%s is missing", path)
		case w == whatever:
		case w == 0 && got <= 0, w < 0 && got != 0, w > 0 && got != w:
			t.Errorf("%s is %v", path, got)
		}
	}
}

func figureAt(at any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[name]
		case []any:
			at = v[name[0]-'0']
		}
	}
	return at
}

// The time of Postgres is found by the backends of the database, also if Postgres is not
// a child process of the server.
func (m measuredServer) tellsTheDatabasesTimeFromTheServers(t *testing.T) {
	other := exec.Command("sleep", "120")
	streamtest.Must(t, other.Start())
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	figures, _ := m.measured(t, "--only=fanout", "--database-url="+m.s.dsn,
		fmt.Sprintf("--pid=%d", other.Process.Pid))
	wantFigures(t, figures, map[string]float64{"fanout.paced.cost.server.cores": -1})
	if figureAt(figures, "fanout.paced.cost.postgres") == nil {
		t.Error("the time of Postgres is not known")
	}
}

func TestBench_LeavesNothingOfItsOwnServerBehind(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	streamtest.Must(t, err)
	var tellings bytes.Buffer
	report, err := bench.Run(t.Context(), bench.Config{
		Program: program, Env: append(os.Environ(), asProgram+"=1"), Only: []string{"latency", "writes"}, // the second on the data of the first
		Comments: 2, Publishers: 2, Duration: 100 * time.Millisecond, Audience: 2, Readers: 2, Messages: 2, Rate: 100, Cycles: 100, Visits: 2, Typists: 2, Thread: 2, Lists: 2,
		Likers: 1, Likes: 1, Viewers: 1, Events: 1, Progress: &tellings,
	})
	t.Log(tellings.String())
	streamtest.Must(t, err)
	streamtest.Want(t, "fsync", report.Machine.Fsync, "on")
	streamtest.Want(t, "loads of writes", len(report.Writes), 2)
	dir := regexp.MustCompile(`starting a server in (\S+)`).FindStringSubmatch(tellings.String())
	if dir == nil {
		t.Fatal("where the server was is not told")
	}
	dirs := []string{dir[1]}
	if home := regexp.MustCompile(`its data is in (\S+)`).FindStringSubmatch(tellings.String()); home != nil {
		dirs = append(dirs, home[1], filepath.Dir(home[1]))
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", dir, err)
		}
	}
	for _, pid := range processesOf(dirs) {
		t.Errorf("process %d is still there", pid)
	}
}

func TestBench_ComparesTwoPrograms(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	streamtest.Must(t, err)
	// The other program is a script that notes each start and becomes the same program.
	other, starts := filepath.Join(t.TempDir(), "other"), filepath.Join(t.TempDir(), "starts")
	script := fmt.Sprintf("#!/bin/sh\necho \"$1\" >> '%s'\nexec '%s' \"$@\"\n", starts, program)
	streamtest.Must(t, os.WriteFile(other, []byte(script), 0o755))
	var tables bytes.Buffer
	c, err := bench.Compare(t.Context(), bench.Config{
		Program: program, Against: other, Rounds: 2, Env: append(os.Environ(), asProgram+"=1"),
		Only:     []string{"fanout"},
		Comments: 2, Publishers: 2, Duration: 100 * time.Millisecond, Audience: 2, Readers: 2, Messages: 2, Rate: 100, Cycles: 100, Visits: 2, Typists: 2, Thread: 2, Lists: 2,
		Likers: 1, Likes: 2, Viewers: 1, Events: 1, Tables: &tables,
	})
	streamtest.Must(t, err)
	streamtest.Must(t, c.Verdict())
	started, err := os.ReadFile(starts)
	streamtest.Must(t, err)
	streamtest.Want(t, "starts of the other program", string(started), strings.Repeat("dev\n", 2))
	byName := map[string]bench.Compared{}
	for _, f := range c.Figures {
		byName[f.Name] = f
	}
	for _, name := range []string{"fanout: readers connected per second", "fanout, paced: reader has it, p50 ms", "fanout, flat out: deliveries/s"} {
		f := byName[name]
		if len(f.This.Rounds) != 2 || len(f.Against.Rounds) != 2 || f.This.Min <= 0 || f.Against.Min <= 0 || f.Ratio <= 0 {
			t.Errorf("%s is %+v", name, f)
		}
		if !strings.Contains(tables.String(), name) {
			t.Errorf("no %q in\n%s", name, tables.String())
		}
	}
}

func TestBench_ComparesConditions(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	streamtest.Must(t, err)
	var tables bytes.Buffer
	report, err := bench.Run(t.Context(), bench.Config{
		Program: program, Env: append(os.Environ(), asProgram+"=1"), Only: []string{"conditions"},
		Comments: 3, Publishers: 2, Duration: 100 * time.Millisecond, Audience: 2, Readers: 2, Messages: 2, Rate: 100, Cycles: 100, Visits: 2, Typists: 2, Thread: 2, Lists: 2,
		Likers: 1, Likes: 1, Viewers: 1, Events: 50, Tables: &tables,
	})
	streamtest.Must(t, err)
	streamtest.Must(t, report.Verdict())
	var names []string
	for _, each := range report.Conditions.Each {
		names = append(names, each.Name)
		if each.PerSecond <= 0 || each.Alone <= 0 {
			t.Errorf("no figures: %+v", each)
		}
	}
	streamtest.Want(t, "conditions", names, []string{"default settings", "group commit off", "50 events in the log", "with an idle transaction"})
	streamtest.Want(t, "the first to itself", report.Conditions.Each[0].ToFirst.PerSecond, 1)
	if title := "Conditions: medians of 3 rounds"; !strings.Contains(tables.String(), title) {
		t.Errorf("no %q in\n%s", title, tables.String())
	}
}

// processesOf finds the processes whose command line names one of the folders.
func processesOf(dirs []string) (pids []int) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // fails on a malformed pattern only
	for _, path := range lines {
		line, _ := os.ReadFile(path) // one that has just ended has none
		for _, dir := range dirs {
			if bytes.Contains(line, []byte(dir)) {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
