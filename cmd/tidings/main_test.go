package main

import (
	"os"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/store/storetest"
)

// asProgram is the environment variable that makes the test binary, started as a child
// process, run as the program tidings.
const asProgram = "TIDINGS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main() // does not return
	}
	// The settings of a server on this machine must not reach the servers of the tests.
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "TIDINGS_") || strings.HasPrefix(name, "PG") || name == "DATABASE_URL" {
			os.Unsetenv(name)
		}
	}
	storetest.Main(m, stopBrowsers)
}
