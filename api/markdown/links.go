package markdown

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// rel stands on every link of a comment. nofollow and ugc tell search engines that the site
// does not vouch for the link. noopener keeps the page that a link opens away from the page
// of the comment.
const rel = "nofollow ugc noopener"

// links renders links, bare addresses and images. A link to anything but an absolute http,
// https or mailto address is its text alone.
type links struct {
	images bool
}

// RegisterFuncs implements renderer.NodeRenderer.
func (l links) RegisterFuncs(register renderer.NodeRendererFuncRegisterer) {
	register.Register(ast.KindLink, l.link)
	register.Register(ast.KindAutoLink, l.address)
	register.Register(ast.KindImage, l.image)
}

// link renders [text](address).
func (l links) link(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	to, linked := destination(node.(*ast.Link).Destination, "http", "https", "mailto")
	switch {
	case !linked:
	case entering:
		open(w, to)
	default:
		_, _ = w.WriteString("</a>")
	}
	return ast.WalkContinue, nil
}

// address renders <address> and the bare addresses of a text.
func (l links) address(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	auto := node.(*ast.AutoLink)
	raw := auto.URL(source)
	if auto.AutoLinkType == ast.AutoLinkEmail && !bytes.HasPrefix(bytes.ToLower(raw), []byte("mailto:")) {
		raw = append([]byte("mailto:"), raw...)
	}
	label := util.EscapeHTML(auto.Label(source))
	if to, linked := destination(raw, "http", "https", "mailto"); linked {
		open(w, to)
		_, _ = w.Write(label)
		_, _ = w.WriteString("</a>")
	} else {
		_, _ = w.Write(label)
	}
	return ast.WalkContinue, nil
}

// image renders ![text](address). An image in a link is its text: a link in a link does not
// exist.
func (l links) image(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	to, linked := destination(node.(*ast.Image).Destination, "http", "https")
	if l.images && linked {
		if entering {
			_, _ = w.WriteString(`<img src="` + to + `" alt="`)
			_, _ = w.Write(util.EscapeHTML(alternative(node, source)))
			_, _ = w.WriteString(`" loading="lazy" referrerpolicy="no-referrer">`)
		}
		return ast.WalkSkipChildren, nil
	}
	switch {
	case !linked || inLink(node):
	case entering:
		open(w, to)
		if !node.HasChildren() {
			_, _ = w.WriteString(to)
		}
	default:
		_, _ = w.WriteString("</a>")
	}
	return ast.WalkContinue, nil
}

// open writes the start of a link.
func open(w util.BufWriter, to string) {
	_, _ = w.WriteString(`<a href="` + to + `" rel="` + rel + `">`)
}

// destination returns an address for an attribute, escaped, or false if the address is not
// absolute or has none of the schemes.
func destination(raw []byte, schemes ...string) (string, bool) {
	escaped := util.URLEscape(raw, true)
	parsed, err := url.Parse(string(escaped))
	if err != nil || parsed.Opaque == "" && parsed.Host == "" {
		return "", false
	}
	for _, scheme := range schemes {
		if strings.EqualFold(parsed.Scheme, scheme) && (scheme == "mailto") == (parsed.Host == "") {
			return string(util.EscapeHTML(escaped)), true
		}
	}
	return "", false
}

// inLink reports whether a node is inside a link.
func inLink(node ast.Node) bool {
	for up := node.Parent(); up != nil; up = up.Parent() {
		if up.Kind() == ast.KindLink || up.Kind() == ast.KindImage {
			return true
		}
	}
	return false
}

// alternative returns the text of an image without its markup.
func alternative(node ast.Node, source []byte) []byte {
	var text bytes.Buffer
	_ = ast.Walk(node, func(inner ast.Node, entering bool) (ast.WalkStatus, error) {
		if piece, is := inner.(*ast.Text); is && entering {
			text.Write(piece.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return text.Bytes()
}
