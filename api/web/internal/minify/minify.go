package minify

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// entries are the modules that pages load. Each becomes one file, which imports nothing
// but what it loads later with import().
var entries = []string{"tidings.js", "comments.js", "bell.js", "lang/*.js"}

// packaged are the modules of the npm package. There import.meta.url is the address of the
// site's own bundle, which says nothing about the server, so it is undefined in these files.
var packaged = []string{"tidings.js", "comments.js", "bell.js", "lang/*.js"}

// Build returns the files that are made of the modules in dir/src, by their paths in dir.
func Build(dir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, pattern := range entries {
		if err := build(files, dir, pattern, "dist", nil); err != nil {
			return nil, err
		}
	}
	for _, pattern := range packaged {
		if err := build(files, dir, pattern, "package", map[string]string{"import.meta.url": "undefined"}); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// build adds the files of the entries that match a pattern to files.
func build(files map[string][]byte, dir, pattern, out string, define map[string]string) error {
	source := filepath.Join(dir, "src")
	found, err := filepath.Glob(filepath.Join(source, pattern))
	if err != nil {
		return fmt.Errorf("find %s: %w", pattern, err)
	}
	for _, entry := range found {
		name, err := filepath.Rel(source, entry)
		if err != nil {
			return fmt.Errorf("find %s: %w", pattern, err)
		}
		script, err := bundle(entry, define)
		if err != nil {
			return err
		}
		maps.Copy(files, map[string][]byte{filepath.ToSlash(filepath.Join(out, name)): script})
	}
	return nil
}

// bundle returns one file with the entry and all that it imports.
func bundle(entry string, define map[string]string) ([]byte, error) {
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{entry}, Define: define,
		Bundle: true, Format: api.FormatESModule, Platform: api.PlatformBrowser, Target: api.ES2022,
		// A path that starts with "./" and is loaded by import() stays as it is.
		External:         []string{"./lang/*", "./bell.js"},
		Plugins:          []api.Plugin{sheets},
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
	})
	var failures []error
	for _, message := range append(result.Errors, result.Warnings...) {
		failures = append(failures, fmt.Errorf("%s: %s", entry, message.Text))
	}
	if len(failures) > 0 {
		return nil, errors.Join(failures...)
	}
	return result.OutputFiles[0].Contents, nil
}
