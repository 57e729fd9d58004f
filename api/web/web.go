package web

import (
	"embed"
	"io/fs"
)

//go:embed demo.html demo.svg demo*.css demo*.js
var demo embed.FS

// Demo returns the files of the demo page, all in the root of the file system. The page
// is demo.html. It must be served at "/", and the other files at "demo/<name>".
func Demo() fs.FS {
	return demo
}
