package main

import (
	"errors"
	"fmt"
	escape "html"
	"net/url"
	"strings"

	"github.com/tidings-live/tidings/api"
	"github.com/tidings-live/tidings/stream"
)

// embedCommand prints the two lines of HTML that show the comments of a post on a page.
type embedCommand struct {
	URL    string `env:"TIDINGS_PUBLIC_URL" required:"" placeholder:"URL" help:"Address of the server as browsers see it, http(s)://host[:port][/path]."`
	Post   string `help:"Id of the post. Default: the page finds it by its own address."`
	Pinned bool   `help:"Name the script by its hash, with the attribute integrity: browsers refuse any other content, and keep the script for a year. Print the lines again after each upgrade."`
}

// Run prints the lines on standard output.
func (c *embedCommand) Run(io streams) error {
	address, err := url.Parse(c.URL)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" || address.RawQuery != "" || address.Fragment != "" {
		return fmt.Errorf("--url: %q is not http(s)://host[:port][/path]", c.URL)
	}
	if c.Post != "" {
		if err := stream.ValidPostID(c.Post); err != nil {
			return fmt.Errorf("--post: %w", err)
		}
	}
	lines, err := embedLines(strings.TrimRight(address.String(), "/"), c.Post, c.Pinned)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(io.out, lines)
	return err
}

// embedLines returns the lines for a server. Without a post, the link to the comments stays out,
// because it needs the id.
func embedLines(server, post string, pinned bool) (string, error) {
	tag, ok := api.ScriptTagOf("comments.js")
	if !ok {
		return "", errors.New("the program was built without comments.js: go generate ./api/web")
	}
	script := fmt.Sprintf(`<script type="module" src="%s/comments.js"></script>`, escape.EscapeString(server))
	if pinned {
		script = fmt.Sprintf(`<script type="module" src="%s/%s" integrity="%s" crossorigin></script>`, escape.EscapeString(server), tag.Path, tag.Integrity)
	}
	element := "<tidings-comments></tidings-comments>"
	if post != "" {
		page := server + "/v1/posts/-/comments.html?post=" + url.QueryEscape(post)
		element = fmt.Sprintf(`<tidings-comments post="%s"><a href="%s">Comments</a></tidings-comments>`, escape.EscapeString(post), escape.EscapeString(page))
	}
	return script + "\n" + element + "\n", nil
}
