package web

import (
	"embed"
	"io/fs"
)

//go:embed pages
var pages embed.FS

// Pages returns the files of our own pages, all in the root of the file system:
//
//	demo.html       two users on one post, for trying out
//	moderate.html   the page for moderators
//	inspect.html    the page for operators
//	comments.html   a template of package html/template, with its style comments.css: the first
//	                page of the comments of a post, for readers without scripts
//
// The pages load the scripts from the address of the server, and their other files from
// "pages/<name>".
func Pages() fs.FS {
	sub, err := fs.Sub(pages, "pages")
	if err != nil { // "pages" is a valid path
		panic(err)
	}
	return sub
}
