package minify

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// An output is a folder of files, each made of one module with all that it imports. A file
// imports nothing but what it loads later with import().
type output struct {
	dir     string
	modules []string          // patterns of their names
	names   map[string]string // of the files that have other names than their modules
	define  map[string]string
}

var outputs = []output{
	{dir: "dist", modules: []string{"tidings.js", "data.js", "comments.js", "bell.js", "lang/*.js"}},
	// In the npm package import.meta.url is the address of the site's own bundle, which says
	// nothing about the server, so it is undefined.
	{
		dir: "package", modules: []string{"whole.js", "comments.js", "bell.js", "lang/*.js"},
		names: map[string]string{"whole.js": "tidings.js"}, define: map[string]string{"import.meta.url": "undefined"},
	},
}

// Build returns the files that are made of the modules in dir/src, by their paths in dir.
func Build(dir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, out := range outputs {
		for _, pattern := range out.modules {
			if err := out.build(files, dir, pattern); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// build adds the files of the modules that match a pattern to files.
func (o output) build(files map[string][]byte, dir, pattern string) error {
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
		script, err := bundle(entry, o.define)
		if err != nil {
			return err
		}
		name = cmp.Or(o.names[name], name)
		files[filepath.ToSlash(filepath.Join(o.dir, name))] = script
	}
	return nil
}

// bundle returns one file with the entry and all that it imports.
func bundle(entry string, define map[string]string) ([]byte, error) {
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{entry}, Define: define,
		Bundle: true, Format: api.FormatESModule, Platform: api.PlatformBrowser, Target: api.ES2022,
		// A path that starts with "./" and is loaded by import() stays as it is.
		External: []string{"./lang/*", "./bell.js"},
		Plugins:  []api.Plugin{sheets, constants},
		// Members whose names begin with "_" are used in one file only.
		MangleProps:      "^_",
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
