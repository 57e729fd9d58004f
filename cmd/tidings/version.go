package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/tidings-live/tidings/api"
)

// version is the version of a release. The linker sets it:
//
//	go build -ldflags "-X main.version=v0.1.0 -X main.revision=4f2a9c1" ./cmd/tidings
//
// If it is empty, the version is the one that Go recorded in the program.
var version string

// revision is the commit that the program was built from. The linker sets it where the
// build does not see the repository, as in the Dockerfile. If it is empty, the revision
// is the one that Go recorded.
var revision string

// versionCommand prints one line, for example
//
//	tidings v0.1.0 (4f2a9c1) go1.26.0 linux/amd64
type versionCommand struct{}

// Run prints the version.
func (c *versionCommand) Run(io streams) error {
	_, err := fmt.Fprintln(io.out, buildText(buildVersion()))
	return err
}

// buildText is the output of the version command.
func buildText(b api.Build) string {
	text := "tidings " + b.Version
	if b.Revision != "" {
		text += " (" + b.Revision + ")"
	}
	return text + " " + b.GoVersion + " " + runtime.GOOS + "/" + runtime.GOARCH
}

// buildVersion describes the running program. The version is "(devel)" if it is
// unknown. The revision ends with "+dirty" if files were changed, and is empty if it is
// unknown. The metric tidings_build_info has the same values.
func buildVersion() api.Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describeBuild(info, version, revision)
}

// describeBuild prefers the version and the revision that the linker set to those that
// Go recorded in info.
func describeBuild(info *debug.BuildInfo, version, revision string) api.Build {
	b := api.Build{Version: version, Revision: revision, GoVersion: runtime.Version()}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	if b.Revision != "" {
		return b
	}
	changed := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+dirty"
		}
	}
	if b.Revision != "" {
		b.Revision += changed
	}
	return b
}
