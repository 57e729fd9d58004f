package main

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// The guides for developers name only files and folders that exist, and CONTRIBUTING.md
// names only tests that exist.
func TestGuidesNameWhatExists(t *testing.T) {
	t.Parallel()
	paths, tests := sourceTree(t)
	for _, guide := range []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"} {
		text := readText(t, "../../"+guide)
		named := found(text, "`([a-z.][\\w./-]*(?:\\.(?:go|sql|md|js|yaml|yml)|/))`")         // in backquotes
		named = append(named, found(text, `\]\(([\w./-]+\.(?:md|png|yml))(?:#[\w-]+)?\)`)...) // links
		for _, name := range named {
			if !paths[strings.TrimSuffix(name, "/")] {
				t.Errorf("%s names %s, which does not exist", guide, name)
			}
		}
		for _, name := range found(text, `\b(Test[A-Z]\w+)`) {
			if !tests[name] {
				t.Errorf("%s names %s, which does not exist", guide, name)
			}
		}
	}
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// sourceTree returns the paths of all files and folders of the repository, the name of
// each file and folder alone, and the names of all test functions.
func sourceTree(t *testing.T) (paths, tests map[string]bool) {
	t.Helper()
	paths, tests = make(map[string]bool), make(map[string]bool)
	root := os.DirFS("../..")
	streamtest.Must(t, fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (name == ".git" || name == ".tidings" || name == "bin") {
			return fs.SkipDir
		}
		paths[name], paths[path.Base(name)] = true, true
		if strings.HasSuffix(name, "_test.go") {
			source, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			for _, match := range testFunc.FindAllSubmatch(source, -1) {
				tests[string(match[1])] = true
			}
		}
		return nil
	}))
	return paths, tests
}
