package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// model returns the parsed structure of the command line.
func model(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := kong.New(&cli{}, kong.Vars{"bench_sections": "all", "version": "v"})
	streamtest.Must(t, err)
	return parser.Model
}

func TestHelp_ListsTheFlagsOfEachCommand(t *testing.T) {
	t.Parallel()
	overview := command(t, "--help")
	for _, c := range model(t).Children {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			help := command(t, c.Name, "--help")
			streamtest.Want(t, "the exit status", help.status, 0)
			for _, flag := range c.Flags {
				if !strings.Contains(help.out, "--"+flag.Name) && !strings.Contains(help.out, "--[no-]"+flag.Name) {
					t.Errorf("no --%s in\n%s", flag.Name, help.out)
				}
			}
			if unwrapped := strings.Join(strings.Fields(overview.out), " "); !strings.Contains(unwrapped, c.Help) {
				t.Errorf("no %q in\n%s", c.Help, overview.out)
			}
		})
	}
}

// A flag's help begins with what the flag sets, and ends as a sentence. A flag without
// a default in its tag is a switch, is required, or tells its default in words.
func TestHelp_GivesTheDefaultOfEachFlag(t *testing.T) {
	t.Parallel()
	for _, c := range model(t).Children {
		for _, flag := range c.Flags {
			help := flag.Help
			if !strings.HasSuffix(help, ".") || strings.HasPrefix(help, "Of ") {
				t.Errorf("%s --%s: %q is not a sentence about the flag", c.Name, flag.Name, help)
			}
			isSwitch := flag.Target.Kind() == reflect.Bool
			if !flag.HasDefault && !flag.Required && !isSwitch && !strings.Contains(strings.ToLower(help), "default") {
				t.Errorf("%s --%s has no default: %q", c.Name, flag.Name, help)
			}
		}
	}
}

// The README says that flags and environment variables of serve are the same.
func TestServe_HasAnEnvironmentVariableForEachFlag(t *testing.T) {
	t.Parallel()
	for _, c := range model(t).Children {
		if c.Name != "serve" {
			continue
		}
		for _, flag := range c.Flags {
			switch {
			case flag.Name == "help" || flag.Name == "version":
			case len(flag.Envs) != 1:
				t.Errorf("--%s has the environment variables %q, want one", flag.Name, flag.Envs)
			case flag.Envs[0] != "DATABASE_URL" && flag.Envs[0] != "TIDINGS_"+strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_")):
				t.Errorf("--%s has the environment variable %s", flag.Name, flag.Envs[0])
			}
		}
	}
}
