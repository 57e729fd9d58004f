package localpg_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/store/localpg"
	"github.com/tidings-live/tidings/store/storetest"
)

func TestServer_KeepsDataBetweenRuns(t *testing.T) {
	t.Parallel()

	dir := storetest.Dir(t)
	server := start(t, localpg.Config{Dir: dir})
	query(t, server, `create table kept as select 'before' as word`)
	stop(t, server)
	stop(t, server) // does nothing
	select {
	case <-server.Done():
	default:
		t.Error("Done is open after Stop")
	}

	again := start(t, localpg.Config{Dir: dir})
	if got := query(t, again, `select word from kept`); got != "before" {
		t.Errorf("kept %q", got)
	}
}

func TestServer_RecoversFromCrash(t *testing.T) {
	t.Parallel()

	server := start(t, localpg.Config{Dir: storetest.Cluster(t)})
	dsn := server.DSN("tidings")
	query(t, server, `create table kept as select 'committed' as word`)
	if err := server.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-server.Done()

	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, server, `select word from kept`); got != "committed" {
		t.Errorf("kept %q", got)
	}
	if got := server.DSN("tidings"); got != dsn {
		t.Errorf("DSN changed from %s to %s", dsn, got)
	}
}

func TestServer_IsDurableAndPrivate(t *testing.T) {
	t.Parallel()

	server := start(t, localpg.Config{
		Dir:      storetest.Cluster(t),
		Settings: map[string]string{"work_mem": "7MB", "listen_addresses": "*", "port": "5999"},
	})
	for setting, want := range map[string]string{
		"fsync":              "on",
		"full_page_writes":   "on",
		"synchronous_commit": "on",
		"server_encoding":    "UTF8",
		"work_mem":           "7MB",
		"listen_addresses":   "",
		"port":               "5432",
	} {
		if got := query(t, server, `show `+setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	for _, dir := range []string{"run", "data"} {
		info, err := os.Stat(filepath.Join(server.Dir(), dir))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o700 {
			t.Errorf("%s has mode %o", dir, got)
		}
	}
}

func TestStart_CreatesItsDatabase(t *testing.T) {
	t.Parallel()

	server := start(t, localpg.Config{Dir: storetest.Cluster(t), Database: "tidings"})
	stop(t, server)
	other := start(t, localpg.Config{Dir: server.Dir(), Database: `my "blog"`})
	if got := query(t, other, `select count(*)::text from pg_database where datname in ('tidings', 'my "blog"')`); got != "2" {
		t.Errorf("%s of 2 databases", got)
	}
}

func TestStart_RefusesRunningDirectory(t *testing.T) {
	t.Parallel()

	server := start(t, localpg.Config{Dir: storetest.Cluster(t)})
	if _, err := localpg.Start(t.Context(), localpg.Config{Dir: server.Dir()}); !errors.Is(err, localpg.ErrRunning) {
		t.Errorf("second start: %v", err)
	}
	if err := server.Restart(t.Context()); !errors.Is(err, localpg.ErrRunning) {
		t.Errorf("restart of a running server: %v", err)
	}
	query(t, server, `select 'alive'`)
}

func TestStart_TakesAnyPath(t *testing.T) {
	t.Parallel()

	for fact, name := range map[string]string{
		"TooLongForASocket": strings.Repeat("long-", 30),
		"SpaceAndQuote":     `it's a "blog" & more%20`,
		"Comma":             "one,two",
	} {
		t.Run(fact, func(t *testing.T) {
			t.Parallel()

			dir := filepath.Join(storetest.Dir(t), name)
			open := filepath.Dir(dir) // where Start makes dir; Postgres's user must be able to enter it
			if err := os.Chmod(open, 0o755); err != nil {
				t.Fatal(err)
			}
			server := start(t, localpg.Config{Dir: dir})
			if got := query(t, server, `show data_directory`); got != filepath.Join(dir, "data") {
				t.Errorf("data is in %s", got)
			}
			socket := query(t, server, `show unix_socket_directories`)
			stop(t, server)
			if _, err := os.Stat(strings.Trim(socket, `"`)); err == nil && strings.HasPrefix(socket, `"/tmp/tidings-`) {
				t.Errorf("%s is left behind", socket)
			}
		})
	}
}

func TestStart_NamesBothVersions(t *testing.T) {
	t.Parallel()

	dir := storetest.Dir(t)
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := localpg.Start(t.Context(), localpg.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "made by Postgres 9, but the Postgres installed is 1") || !strings.Contains(err.Error(), dir) {
		t.Errorf("error: %v", err)
	}
}

func TestStart_ReturnsTheEndOfTheLog(t *testing.T) {
	t.Parallel()

	dir := storetest.Dir(t)
	_, err := localpg.Start(t.Context(), localpg.Config{Dir: dir, Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such_setting"`) {
		t.Errorf("error: %v", err)
	}
	start(t, localpg.Config{Dir: dir}) // the failed start has left nothing behind
}

func TestStart_EndsWithItsContext(t *testing.T) {
	t.Parallel()

	dir := storetest.Dir(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := localpg.Start(ctx, localpg.Config{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	start(t, localpg.Config{Dir: dir}) // the failed start has left nothing behind
}
