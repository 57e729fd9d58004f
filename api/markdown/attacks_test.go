package markdown

import (
	_ "embed"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// attackLines are texts, one a line, that run hit() in a page if one layer of the package leaves
// them as they are. Symbols stand for control characters.
//
//go:embed testdata/attacks.txt
var attackLines string

// attacks yields the texts.
func attacks(yield func(string) bool) {
	symbols := strings.NewReplacer("␤", "\n", "␉", "\t", "␀", "\x00")
	for line := range strings.Lines(attackLines) {
		if !yield(symbols.Replace(line)) {
			return
		}
	}
}

// No attack leaves an element, an attribute or an address that is not in the list.
func TestAttacks(t *testing.T) {
	t.Parallel()

	for _, images := range []bool{false, true} {
		render := New(Options{Images: images})
		for attack := range attacks {
			for _, text := range []string{attack, "a " + attack, "> " + attack, "- " + attack, "*" + attack + "*", strings.TrimSpace(attack) + strings.TrimSpace(attack)} {
				if err := harmless(render.HTML(text), images); err != nil {
					t.Errorf("%q becomes %s: %v", text, render.HTML(text), err)
				}
			}
		}
	}
}

// Each layer stops the attacks alone: the renderer without the sanitizer, and the sanitizer
// without the renderer.
func TestAttacks_EachLayerAlone(t *testing.T) {
	t.Parallel()

	render := New(Options{Images: true})
	for attack := range attacks {
		var rendered strings.Builder
		if err := render.markdown.Convert([]byte(attack), &rendered); err != nil {
			t.Fatal(err)
		}
		// Only the sanitizer restricts the class of a code block.
		if err := harmless(rendered.String(), true); err != nil && !strings.Contains(err.Error(), "class=") {
			t.Errorf("the renderer makes %s of %q: %v", rendered.String(), attack, err)
		}
		// Only the renderer adds rel to links.
		if err := harmless(render.policy.Sanitize(attack), true); err != nil && !strings.Contains(err.Error(), "without rel") {
			t.Errorf("the sanitizer makes %s of %q: %v", render.policy.Sanitize(attack), attack, err)
		}
	}
}

func FuzzHTML(f *testing.F) {
	for attack := range attacks {
		f.Add(attack)
	}
	f.Add("> - 1. *a* ~~b~~ `c` [d](http://e) ![f](http://g)\n```h\ni\n```")
	with, without := New(Options{Images: true}), New(Options{CacheBytes: -1})
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 5000 { // the length of the longest comment
			t.Skip()
		}
		for render, images := range map[*Renderer]bool{with: true, without: false} {
			first := render.HTML(text)
			if err := harmless(first, images); err != nil {
				t.Errorf("%q becomes %s: %v", text, first, err)
			}
			if again := render.HTML(text); again != first {
				t.Errorf("%q becomes first %s, then %s", text, first, again)
			}
		}
	})
}

// The cache holds at most its bytes, and returns the HTML of the right text.
func TestCache_IsBounded(t *testing.T) {
	t.Parallel()

	const limit = 10_000
	kept := newCache(limit)
	for i := range 1000 {
		text := fmt.Sprint("text ", i)
		kept.add(text, strings.Repeat("a", i))
		if html, known := kept.get(text); known && len(html) != i {
			t.Fatalf("%s has %d bytes", text, len(html))
		}
		size := 0
		for _, html := range kept.html.Values() {
			size += entryBytes + len(html)
		}
		if size > limit || size != kept.bytes {
			t.Fatalf("%d bytes are kept, and counted as %d", size, kept.bytes)
		}
	}
	kept.add("huge", strings.Repeat("a", limit))
	if kept.html.Len() != 0 || kept.bytes != 0 {
		t.Errorf("a text larger than the cache leaves %d entries and %d bytes", kept.html.Len(), kept.bytes)
	}
}

// harmless checks HTML as a browser parses it: its elements, attributes and addresses.
func harmless(text string, images bool) error {
	body := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	nodes, err := html.ParseFragment(strings.NewReader(text), body)
	if err != nil {
		return err
	}
	for _, root := range nodes {
		if err := harmlessNode(root, images); err != nil {
			return err
		}
		for node := range root.Descendants() {
			if err := harmlessNode(node, images); err != nil {
				return err
			}
		}
	}
	return nil
}

// harmlessNode checks one node.
func harmlessNode(node *html.Node, images bool) error {
	if node.Type == html.TextNode {
		return nil
	}
	allowed := []string{"p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a"}
	if images {
		allowed = append(allowed, "img")
	}
	if node.Type != html.ElementNode || !slices.Contains(allowed, node.Data) || node.Namespace != "" {
		return fmt.Errorf("has the node %s", node.Data)
	}
	has := map[string]string{}
	for _, attribute := range node.Attr {
		has[attribute.Key] = attribute.Val
		if err := harmlessAttribute(node.Data, attribute.Key, attribute.Val); err != nil {
			return err
		}
	}
	if node.Data == "a" && has["rel"] != rel {
		return fmt.Errorf("has a link without rel")
	}
	return nil
}

// harmlessAttribute checks one attribute of an element.
func harmlessAttribute(element, name, value string) error {
	switch element + " " + name {
	case "a href", "img src":
		to, err := url.Parse(value)
		if err != nil || !slices.Contains([]string{"http", "https", "mailto"}, to.Scheme) {
			return fmt.Errorf("leads to %q", value)
		}
	case "a rel", "img alt", "img loading", "img referrerpolicy", "ol start":
	case "code class":
		if !strings.HasPrefix(value, "language-") || strings.ContainsAny(value, "\"' <>") {
			return fmt.Errorf("has class=%q", value)
		}
	default:
		return fmt.Errorf("%s has %s=%q", element, name, value)
	}
	return nil
}
