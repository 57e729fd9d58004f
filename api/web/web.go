package web

import (
	"embed"
	"io/fs"
)

//go:embed demo.html demo.svg demo*.css demo*.js
var demo embed.FS

// Demo returns the files of the demo page, all in the root of the file system. The page is
// demo.html; it is written to be served at "/" and asks for the others as "demo/<name>".
func Demo() fs.FS {
	return demo
}
