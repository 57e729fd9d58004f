// The command cmd writes the minified scripts. Its argument is the folder of package web.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidings-live/tidings/api/web/internal/minify"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run writes all files of [minify.Build].
func run(dir string) error {
	files, err := minify.Build(dir)
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
