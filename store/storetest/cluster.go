package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tidings-live/tidings/store/localpg"
)

// pristine returns the directory of a server that has started once and stopped. The
// first call makes it.
var pristine = sync.OnceValues(makePristine)

// pristineDir is the directory to remove at the end; "" if there is none.
var pristineDir string

// Cluster returns a directory as Dir does, with the cluster of a stopped server in it.
// The cluster has the database "tidings" and nothing else. It is a copy: initdb, which
// takes a second, runs once for all tests of a package.
func Cluster(tb testing.TB) string {
	tb.Helper()
	dir := Dir(tb)
	copyPristine(tb, dir)
	return dir
}

// copyPristine copies the cluster of the stopped server into a directory.
func copyPristine(tb testing.TB, dir string) {
	tb.Helper()
	from, err := pristine()
	if err != nil {
		tb.Fatal(err)
	}
	// cp keeps the owner of the files, which is not root even if root runs the tests.
	copied, err := exec.Command("cp", "-Rp", filepath.Join(from, "data"), dir).CombinedOutput()
	if err != nil {
		tb.Fatalf("copy a cluster: %v\n%s", err, copied)
	}
}

func makePristine() (string, error) {
	dir, err := makeDir(quick())
	if err != nil {
		return "", err
	}
	pristineDir = dir
	ctx := context.Background()
	server, err := localpg.Start(ctx, localpg.Config{Dir: dir, Settings: hasty})
	if err == nil {
		err = server.Stop(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("make a cluster: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	return server.Dir(), nil
}

func removePristine() error {
	if pristineDir == "" {
		return nil
	}
	return os.RemoveAll(pristineDir)
}
