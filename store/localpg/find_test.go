package localpg

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind_ReturnsBinariesThatRun(t *testing.T) {
	t.Parallel()

	bin, version, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	if version < 15 {
		t.Errorf("version %d", version)
	}
	for _, program := range []string{"postgres", "initdb"} {
		if out, err := exec.Command(filepath.Join(bin, program), "--version").CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", program, err, out)
		}
	}
}

func TestPick(t *testing.T) {
	t.Parallel()

	all := []install{{"/new", 17}, {"/old", 15}}
	if in, err := pick(all, 0); err != nil || in.version != 17 {
		t.Errorf("without data: %v, %v", in, err)
	}
	if in, err := pick(all, 15); err != nil || in.bin != "/old" {
		t.Errorf("data of 15: %v, %v", in, err)
	}
	if _, err := pick(all, 16); err == nil || !strings.Contains(err.Error(), "Postgres 16, but the Postgres installed is 17") {
		t.Errorf("data of 16: %v", err)
	}
	if _, err := pick(nil, 0); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("nothing installed: %v", err)
	}
}

func TestParseVersion(t *testing.T) {
	t.Parallel()

	for line, want := range map[string]int{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)": 15,
		"postgres (PostgreSQL) 17.2":                           17,
		"postgres (PostgreSQL) 19devel":                        19,
		"postgres (PostgreSQL) 18":                             18,
		"postgres (PostgreSQL) 9.6.24":                         9,
		"postgres (EnterpriseDB) 15":                           0,
		"":                                                     0,
	} {
		if got := parseVersion(line); got != want {
			t.Errorf("parseVersion(%q) = %d, want %d", line, got, want)
		}
	}
}
