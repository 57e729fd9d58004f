package stream

import (
	"os/exec"
	"strings"
	"testing"
)

// The packages below stream import only the standard library and each other.
func TestImportsOnlyStandardLibrary(t *testing.T) {
	t.Parallel()

	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		if !strings.Contains(path+"/", "/tidings/stream/") {
			t.Errorf("stream imports %s", path)
		}
	}
}
