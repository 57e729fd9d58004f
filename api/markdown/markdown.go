package markdown

import (
	"bytes"
	"html"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	goldmarkhtml "github.com/yuin/goldmark/renderer/html"
	source "github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Version names the rules of this package. It changes with every change of the HTML of a
// text, so that an ETag made with it is never that of older HTML.
const Version = "1"

// cacheBytes is the default size of the cache: some 5,000 comments of the usual length.
const cacheBytes = 8 << 20

// Options are the choices of a site.
type Options struct {
	// Images shows images of http and https addresses. Otherwise an image is a link to its
	// address: a reader's browser then tells the image's server nothing until the reader
	// follows the link.
	Images bool

	// CacheBytes bounds the memory of the cache. The default is 8 MB. A negative number
	// turns the cache off.
	CacheBytes int
}

// A Renderer turns text into HTML. It is safe for concurrent use.
type Renderer struct {
	markdown goldmark.Markdown
	policy   *bluemonday.Policy
	cache    *cache
}

// New returns a renderer.
func New(options Options) *Renderer {
	if options.CacheBytes == 0 {
		options.CacheBytes = cacheBytes
	}
	return &Renderer{
		markdown: goldmark.New(
			goldmark.WithParser(newParser()),
			goldmark.WithExtensions(extension.Strikethrough, extension.NewLinkify(
				extension.WithLinkifyAllowedProtocols([]string{"http:", "https:", "mailto:"}),
			)),
			goldmark.WithRendererOptions(
				goldmarkhtml.WithHardWraps(),
				renderer.WithNodeRenderers(util.Prioritized(links{images: options.Images}, 500)),
			),
		),
		policy: policy(options.Images),
		cache:  newCache(options.CacheBytes),
	}
}

// newParser returns a CommonMark parser without headings, HTML and link references. A text
// that defines a reference, "[a]: b", would be invisible.
func newParser() parser.Parser {
	return parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(parser.NewListParser(), 300),
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewCodeBlockParser(), 500),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(parser.NewBlockquoteParser(), 800),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithInlineParsers(
			util.Prioritized(parser.NewCodeSpanParser(), 100),
			util.Prioritized(parser.NewLinkParser(), 200),
			util.Prioritized(parser.NewAutoLinkParser(), 300),
			util.Prioritized(parser.NewEmphasisParser(), 500),
		),
	)
}

// HTML returns the HTML of a text. The HTML of an empty text is empty.
func (r *Renderer) HTML(text string) string {
	if text == "" {
		return ""
	}
	if trimmed := strings.TrimRight(text, " "); isSimple(trimmed) {
		return simple(trimmed)
	}
	if rendered, known := r.cache.get(text); known {
		return rendered
	}
	rendered := r.render(text)
	r.cache.add(text, rendered)
	return rendered
}

// render returns the HTML of a text that is not in the cache.
func (r *Renderer) render(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if tooDeep.MatchString(text) {
		return plain(text)
	}
	raw := []byte(text)
	document := r.markdown.Parser().Parse(source.NewReader(raw))
	var out bytes.Buffer
	if tooNested(document) || r.markdown.Renderer().Render(&out, raw, document) != nil {
		return plain(text)
	}
	return string(bytes.TrimSpace(r.policy.SanitizeBytes(out.Bytes())))
}

// plain returns a text as it was typed, with its line breaks.
func plain(text string) string {
	return "<pre>" + html.EscapeString(text) + "</pre>"
}
