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

// method matches the name of a public method or field in the class of a module.
const method = `(?m)^  (?:async )?([a-z]\w*)(?:\(| =|;)`

// Each method of the client has types, and no other.
func TestPackage_TypesNameEveryMethod(t *testing.T) {
	t.Parallel()
	written := found(read(t, "src/api.js"), `(?m)^  ([a-z]\w*): \(`)
	for _, file := range []string{"src/listeners.js", "src/client.js", "src/whole.js"} {
		written = append(written, found(read(t, file), method)...)
	}
	streamtest.Want(t, "names in tidings.d.ts", typed(t, "Tidings"), unique(written))
}

// tidings.js has the names of the calls, and of the methods of threads and inboxes, before their code is loaded.
func TestPackage_NamesWhatIsLoadedLater(t *testing.T) {
	t.Parallel()
	lists := make(map[string][]string)
	for _, list := range regexp.MustCompile(`(?s)const ([A-Z_]+) = \[(.*?)\];`).FindAllSubmatch(read(t, "src/tidings.js"), -1) {
		lists[string(list[1])] = found(list[2], `'(\w+)'`)
	}
	streamtest.Want(t, "calls", unique(lists["CALLS"]), unique(found(read(t, "src/api.js"), `(?m)^  ([a-z]\w*): \(`)))
	streamtest.Want(t, "parts of threads", unique(append(lists["OF_BOTH"], lists["OF_THREADS"]...)), unique(written(t, "live.js", "page.js", "thread.js")))
	streamtest.Want(t, "parts of inboxes", unique(append(lists["OF_BOTH"], "markRead")), unique(written(t, "live.js", "inbox.js")))
}

// written returns the public methods of the classes in modules that wait for their code.
func written(t *testing.T, modules ...string) (names []string) {
	t.Helper()
	for _, module := range modules {
		names = append(names, found(read(t, "src/"+module), `(?m)^  (?:async )?([a-z]\w*)\(`)...)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "on" || name == "close" || name == "get" })
}

// typed returns the names of a class in tidings.d.ts.
func typed(t *testing.T, class string) []string {
	t.Helper()
	text := regexp.MustCompile(`(?s)export class ` + class + ` .*?\n\}`).Find(read(t, "package/tidings.d.ts"))
	return unique(found(text, `(?m)^  (?:readonly )?([a-z]\w*)(?:\(|<|:)`))
}

// unique returns the names in order, each once, without the constructor.
func unique(names []string) []string {
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "constructor" || name == "caller" })
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
