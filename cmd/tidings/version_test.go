package main

import (
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api"
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
		want              api.Build
	}{
		{"Linker", recorded, "v1.2.3", "4f2a9c1", api.Build{Version: "v1.2.3", Revision: "4f2a9c1", GoVersion: runtime.Version()}},
		{"LinkerSetsTheVersionAlone", recorded, "v1.2.3", "", api.Build{Version: "v1.2.3", Revision: "0123456789ab+dirty", GoVersion: runtime.Version()}},
		{"Go", recorded, "", "", api.Build{Version: "v0.2.1-0.20260101000000-0123456789ab", Revision: "0123456789ab+dirty", GoVersion: runtime.Version()}},
		{"Unknown", &debug.BuildInfo{}, "", "", api.Build{Version: "(devel)", Revision: "", GoVersion: runtime.Version()}},
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
	streamtest.Want(t, "the output", r.out, buildText(buildVersion())+"\n")
	if !strings.HasSuffix(r.out, " "+runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH+"\n") {
		t.Errorf("no version of Go in %q", r.out)
	}
	streamtest.Want(t, "the output of --version", command(t, "--version"), r)
}

func TestServer_ReportsItsBuildAsAMetric(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t)
	b := buildVersion()
	metrics, err := io.ReadAll(srv.get(t, "/metrics", nil).Body)
	streamtest.Must(t, err)
	for _, label := range []string{fmt.Sprintf("version=%q", b.Version), fmt.Sprintf("revision=%q", b.Revision), fmt.Sprintf("goversion=%q", b.GoVersion)} {
		line := regexp.MustCompile(`(?m)^tidings_build_info\{.*` + regexp.QuoteMeta(label) + `.*\} 1$`)
		if !line.Match(metrics) {
			t.Errorf("no tidings_build_info with %s", label)
		}
	}
}
