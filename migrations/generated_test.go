package migrations_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"os"
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
