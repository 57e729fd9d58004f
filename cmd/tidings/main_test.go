package main

import (
	"os"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/store/storetest"
)

// asProgram tells the test binary, started again as a child, to be the program.
const asProgram = "TIDINGS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main() // does not return
	}
	// What is set for a server on this machine must not reach those of the tests.
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "TIDINGS_") || strings.HasPrefix(name, "PG") || name == "DATABASE_URL" {
			os.Unsetenv(name)
		}
	}
	storetest.Main(m)
}
