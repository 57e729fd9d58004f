// Package minify makes the scripts that browsers load from the ES modules in api/web/src:
// each entry with all that it imports, without comments and with short names. It uses the
// Go API of esbuild, so that nobody needs Node.js.
//
// go generate ./api/web writes the files of [Build] to api/web. They are committed, and a
// test of api/web fails when they are not what Build makes.
package minify
