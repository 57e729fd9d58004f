package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
)

//go:generate go run ./internal/minify/cmd .

//go:embed dist
var dist embed.FS

// A Script is a file that pages of any site load.
type Script struct {
	// Name is the path below the address of the server, such as tidings.js. A script finds
	// the server, and the scripts that it loads later, in the folder of its own address.
	Name string
	Body []byte
	Hash string // of Body, 16 hexadecimal digits
}

// Scripts returns the scripts that go generate has made of src. It panics if the embedded
// files cannot be read, which no input can cause.
func Scripts() []Script {
	var all []Script
	err := fs.WalkDir(dist, "dist", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(dist, path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		all = append(all, Script{Name: strings.TrimPrefix(path, "dist/"), Body: body, Hash: hex.EncodeToString(sum[:8])})
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("web: read the embedded scripts: %v", err))
	}
	return all
}
