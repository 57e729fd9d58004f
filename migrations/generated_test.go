package migrations_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/migrations"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

// go generate sets it.
var update = flag.Bool("update", false, "write functions/VERSION and schema.sql")

// An older program must not replace newer functions, and only the version tells which
// are newer. So each change of functions/ needs a higher version.
func TestGenerated_VersionIsRaisedWithEachChange(t *testing.T) {
	t.Parallel()

	const path = "functions/VERSION"
	var version int
	var sum string
	if _, err := fmt.Sscanf(text(t, path), "version %d\nsha256 %s\n", &version, &sum); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	paths, err := fs.Glob(migrations.Files(), "functions/*.sql")
	Must(t, err)
	all := sha256.New()
	for _, p := range paths {
		fmt.Fprintf(all, "%s\n%s\n", p, text(t, p))
	}
	now := fmt.Sprintf("%x", all.Sum(nil))
	switch {
	case sum == now:
	case *update:
		Must(t, os.WriteFile(path, fmt.Appendf(nil, "version %d\nsha256 %s\n", version+1, now), 0o644))
	default:
		t.Errorf("functions/ has changed since %s was written (version %d): run go generate ./migrations and commit the file. "+
			"After a merge conflict in it, take the higher version first", path, version)
	}
}

func TestGenerated_SchemaIsWhatTheMigrationsMake(t *testing.T) {
	t.Parallel()

	const path = "schema.sql"
	conn, _ := database(t)
	want := dumpSchema(t, conn)
	if *update {
		Must(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	Must(t, err)
	if string(got) != want {
		t.Errorf("%s is stale: run go generate ./migrations. It should be\n%s", path, want)
	}
}

// Databases have run the numbered files of released versions, so these never change. A release
// adds its new files to the list (CONTRIBUTING.md).
func TestReleased_FilesDoNotChange(t *testing.T) {
	t.Parallel()

	list, err := os.ReadFile("released.sha256")
	Must(t, err)
	listed := 0
	for line := range strings.Lines(string(list)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if now := fmt.Sprintf("%x", sha256.Sum256([]byte(text(t, "schema/"+name)))); now != sum {
			t.Errorf("%s was released and has changed: undo that, and write a new file", name)
		}
		listed++
	}
	if listed < 3 {
		t.Errorf("released.sha256 lists %d files", listed)
	}
}
