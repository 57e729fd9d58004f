package minify

import (
	"os"
	"regexp"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// constant is a line that defines a number of a module, such as "const PAGE = 1000; // events".
var constant = regexp.MustCompile(`(?m)^const ([A-Z][A-Z_]*) = ([\d_ <*]+);.*\n`)

// constants puts numbers in place of their names. esbuild does so only in modules without imports.
var constants = api.Plugin{Name: "constants", Setup: func(build api.PluginBuild) {
	build.OnLoad(api.OnLoadOptions{Filter: `\.js$`}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		module, err := os.ReadFile(args.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		text := string(module)
		for _, found := range constant.FindAllStringSubmatch(text, -1) {
			line, name, number := found[0], found[1], found[2]
			text = strings.Replace(text, line, "", 1)
			text = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllLiteralString(text, "("+number+")")
		}
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	})
}}
