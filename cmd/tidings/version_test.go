package main

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestVersion_IsWhatTheLinkerSetOrGoRecorded(t *testing.T) {
	t.Parallel()
	recorded := &debug.BuildInfo{
		Main:     debug.Module{Version: "v0.2.1-0.20260101000000-0123456789ab"},
		Settings: []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "0123456789ab"}},
	}
	for _, tt := range []struct {
		name              string
		info              *debug.BuildInfo
		version, revision string
		want              build
	}{
		{"Linker", recorded, "v1.2.3", "4f2a9c1", build{"v1.2.3", "4f2a9c1", runtime.Version()}},
		{"LinkerSetsTheVersionAlone", recorded, "v1.2.3", "", build{"v1.2.3", "0123456789ab+dirty", runtime.Version()}},
		{"Go", recorded, "", "", build{"v0.2.1-0.20260101000000-0123456789ab", "0123456789ab+dirty", runtime.Version()}},
		{"Unknown", &debug.BuildInfo{}, "", "", build{"(devel)", "", runtime.Version()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streamtest.Want(t, "the build", describeBuild(tt.info, tt.version, tt.revision), tt.want)
		})
	}
}

func TestVersionCommand_PrintsVersionAndGoVersion(t *testing.T) {
	t.Parallel()
	r := command(t, "version")
	streamtest.Want(t, "the exit status", r.status, 0)
	streamtest.Want(t, "the output", r.out, "tidings "+buildVersion().String()+"\n")
	if !strings.HasSuffix(r.out, " "+runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH+"\n") {
		t.Errorf("no version of Go in %q", r.out)
	}
	streamtest.Want(t, "the output of --version", command(t, "--version"), r)
}
