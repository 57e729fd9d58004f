package localpg

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrivateDir(t *testing.T) {
	t.Parallel()

	me := account{uid: os.Getuid()}
	base := t.TempDir()
	if err := os.Mkdir(filepath.Join(base, "open"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(base, "open"), 0o755); err != nil { // a umask may have changed the mode
		t.Fatal(err)
	}
	if err := os.Symlink(base, filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	for name, accepted := range map[string]bool{"new": true, "open": false, "link": false} {
		if err := privateDir(filepath.Join(base, name), me); (err == nil) != accepted {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := privateDir(filepath.Join(base, "new"), me); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if err := privateDir(filepath.Join(base, "new"), account{uid: me.uid + 1}); err == nil {
		t.Error("took the directory of another user")
	}
}

func TestSocketDir_FitsIntoASocketAddress(t *testing.T) {
	t.Parallel()

	me := account{uid: math.MaxInt32}
	for _, dir := range []string{"/srv/tidings", "/srv/a,b", "/srv/" + strings.Repeat("x", 64), "/srv/" + strings.Repeat("x", 200)} {
		socket := socketDir(dir, me)
		if path := socket + "/.s.PGSQL.5432.lock"; len(path) > 103 || strings.Contains(path, ",") {
			t.Errorf("%s has its socket in %s", dir, path)
		}
		if again := socketDir(dir, me); again != socket {
			t.Errorf("%s moved from %s to %s", dir, socket, again)
		}
	}
}
