package minify

import (
	"bytes"
	"fmt"
	"os"
	"regexp"

	"github.com/evanw/esbuild/pkg/api"
)

// sheet is the text of a style sheet in a module: the only template literal of its file.
var sheet = regexp.MustCompile("(?s)`[^`]*`")

// sheets minifies the style sheets in the modules whose names end in sheet.js, which esbuild
// leaves as they are because they are strings.
var sheets = api.Plugin{Name: "sheets", Setup: func(build api.PluginBuild) {
	build.OnLoad(api.OnLoadOptions{Filter: `sheet\.js$`}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		module, err := os.ReadFile(args.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		text := string(sheet.ReplaceAllFunc(module, func(literal []byte) []byte {
			var small []byte
			if small, err = minifySheet(literal[1 : len(literal)-1]); err != nil {
				return literal
			}
			return append(append([]byte("`"), small...), '`')
		}))
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, err
	})
}}

// minifySheet returns a style sheet without spaces.
func minifySheet(css []byte) ([]byte, error) {
	result := api.Transform(string(css), api.TransformOptions{Loader: api.LoaderCSS, Charset: api.CharsetUTF8, MinifyWhitespace: true, MinifySyntax: true})
	for _, message := range append(result.Errors, result.Warnings...) {
		return nil, fmt.Errorf("style sheet: %s", message.Text)
	}
	return bytes.TrimSpace(result.Code), nil
}
