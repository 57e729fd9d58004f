package web_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// The package names files that exist, and the files in its folder.
func TestPackage_HasItsFiles(t *testing.T) {
	t.Parallel()
	var manifest struct {
		Files   []string
		Exports map[string]map[string]string
	}
	streamtest.Must(t, json.Unmarshal(read(t, "package/package.json"), &manifest))
	named := append([]string{"package.json", "README.md"}, manifest.Files...)
	for _, paths := range manifest.Exports {
		for _, path := range paths {
			if !slices.Contains(named, strings.TrimPrefix(path, "./")) {
				t.Errorf("%s is exported and not in files", path)
			}
		}
	}
	slices.Sort(named)
	found, err := filepath.Glob("package/*")
	streamtest.Must(t, err)
	for i, path := range found {
		found[i] = filepath.Base(path)
	}
	slices.Sort(found)
	streamtest.Want(t, "files of the package", found, named)
}

// Each method of the client has types, and no other.
func TestPackage_TypesNameEveryMethod(t *testing.T) {
	t.Parallel()
	var written []string
	for _, file := range []string{"src/api.js", "src/client.js"} {
		for _, name := range found(read(t, file), `(?m)^  (?:async |get )?([a-z]\w*)\(`) {
			if name != "constructor" {
				written = append(written, name)
			}
		}
	}
	class := regexp.MustCompile(`(?s)export class Tidings \{.*?\n\}`).Find(read(t, "package/tidings.d.ts"))
	typed := found(class, `(?m)^  (?:readonly )?([a-z]\w*)(?:\(|<|:)`)
	for _, names := range []*[]string{&written, &typed} {
		slices.Sort(*names)
		*names = slices.DeleteFunc(slices.Compact(*names), func(name string) bool { return name == "constructor" })
	}
	streamtest.Want(t, "names in tidings.d.ts", typed, written)
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	streamtest.Must(t, err)
	return content
}

// found returns what the first group of a pattern matches.
func found(text []byte, pattern string) (names []string) {
	for _, match := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
		names = append(names, string(match[1]))
	}
	return names
}
