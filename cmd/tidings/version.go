package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
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
	_, err := fmt.Fprintln(io.out, "tidings", buildVersion())
	return err
}

// A build describes where the running program comes from.
type build struct {
	Version   string // of the release, "(devel)" if unknown
	Revision  string // commit, with "+dirty" if files had changed; "" if unknown
	GoVersion string
}

// String returns the build as the version command prints it.
func (b build) String() string {
	text := b.Version
	if b.Revision != "" {
		text += " (" + b.Revision + ")"
	}
	return text + " " + b.GoVersion + " " + runtime.GOOS + "/" + runtime.GOARCH
}

// buildVersion describes the running program.
func buildVersion() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describeBuild(info, version, revision)
}

// describeBuild prefers the version and the revision that the linker set to those that
// Go recorded in info.
func describeBuild(info *debug.BuildInfo, version, revision string) build {
	b := build{Version: version, Revision: revision, GoVersion: runtime.Version()}
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
