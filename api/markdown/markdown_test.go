package markdown_test

import (
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/markdown"
)

// link returns the HTML of a link.
func link(to, text string) string {
	return `<a href="` + to + `" rel="nofollow ugc noopener">` + text + `</a>`
}

func TestHTML(t *testing.T) {
	t.Parallel()

	tests := map[string]struct{ text, want string }{
		"Empty":                  {"", ""},
		"Paragraphs":             {"one\n\ntwo", "<p>one</p>\n<p>two</p>"},
		"LineBreaks":             {"one\ntwo", "<p>one<br>\ntwo</p>"},
		"Emphasis":               {"*a* **b** ~~c~~", "<p><em>a</em> <strong>b</strong> <del>c</del></p>"},
		"Code":                   {"`a < b`", "<p><code>a &lt; b</code></p>"},
		"CodeBlocks":             {"```go\nx := 1\n```", "<pre><code class=\"language-go\">x := 1\n</code></pre>"},
		"Quotes":                 {"> a", "<blockquote>\n<p>a</p>\n</blockquote>"},
		"Lists":                  {"- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"},
		"NumberedLists":          {"3. a\n4. b", "<ol start=\"3\">\n<li>a</li>\n<li>b</li>\n</ol>"},
		"Rules":                  {"---", "<hr>"},
		"LongRules":              {strings.Repeat("-", 200), "<hr>"},
		"Links":                  {"[a](https://b.example/?c=1&d=2)", "<p>" + link("https://b.example/?c=1&amp;d=2", "a") + "</p>"},
		"LinksOverHTTP":          {"[a](http://b)", "<p>" + link("http://b", "a") + "</p>"},
		"LinksToMail":            {"[a](mailto:b@c.example)", "<p>" + link("mailto:b@c.example", "a") + "</p>"},
		"TitlesAreLeftOut":       {`[a](http://b "c")`, "<p>" + link("http://b", "a") + "</p>"},
		"Addresses":              {"see https://a.example/b.", "<p>see " + link("https://a.example/b", "https://a.example/b") + ".</p>"},
		"AddressesInBrackets":    {"<https://a.example>", "<p>" + link("https://a.example", "https://a.example") + "</p>"},
		"AddressesWithoutHTTP":   {"www.a.example", "<p>" + link("http://www.a.example", "www.a.example") + "</p>"},
		"AddressesOfMail":        {"a@b.example", "<p>" + link("mailto:a@b.example", "a@b.example") + "</p>"},
		"ForeignAlphabets":       {"[ж](https://б.example/ж)", "<p>" + link("https://%D0%B1.example/%D0%B6", "ж") + "</p>"},
		"NoOtherSchemes":         {"[a](ftp://b) <ftp://c> ftp://d.example", "<p>a ftp://c ftp://d.example</p>"},
		"NoRelativeLinks":        {"[a](/b) [c](//d) [e](#f) [g](?h) [i](j)", "<p>a c e g i</p>"},
		"NoHTML":                 {"<b>a</b> List<String>", "<p>&lt;b&gt;a&lt;/b&gt; List&lt;String&gt;</p>"},
		"NoHTMLBlocks":           {"<div>\na\n</div>", "<p>&lt;div&gt;<br>\na<br>\n&lt;/div&gt;</p>"},
		"NoHeadings":             {"# a\n\nb\n===", "<p># a</p>\n<p>b<br>\n===</p>"},
		"HashtagsStay":           {"#a", "<p>#a</p>"},
		"ReferencesStay":         {"[a]: http://b.example", "<p>[a]: " + link("http://b.example", "http://b.example") + "</p>"},
		"ImagesAreLinks":         {"![a](https://b/c.png)", "<p>" + link("https://b/c.png", "a") + "</p>"},
		"ImagesWithoutText":      {"![](https://b/c.png)", "<p>" + link("https://b/c.png", "https://b/c.png") + "</p>"},
		"ImagesInLinksAreText":   {"[![a](https://b/c.png)](https://d)", "<p>" + link("https://d", "a") + "</p>"},
		"ImagesOfOtherSchemes":   {"![a](data:image/png,b)", "<p>a</p>"},
		"EntitiesAndEscapes":     {`&amp; \* &lt;`, "<p>&amp; * &lt;</p>"},
		"JoinersStay":            {"👩‍💻", "<p>👩‍💻</p>"},
		"FiftyQuotes":            {strings.Repeat("> ", 50) + "a", strings.Repeat("<blockquote>\n", 50) + "<p>a</p>" + strings.Repeat("\n</blockquote>", 50)},
		"DeeperTextStays":        {strings.Repeat("> ", 51) + "<a", "<pre>" + strings.Repeat("&gt; ", 51) + "&lt;a</pre>"},
		"DeeperListsStay":        {"a\n" + strings.Repeat("1. ", 51), "<pre>a\n" + strings.Repeat("1. ", 51) + "</pre>"},
		"BytesThatAreNotUTF8":    {"a\xffb", "<p>a�b</p>"},
		"NULIsReplaced":          {"a\x00b", "<p>a�b</p>"},
		"LanguagesAreRestricted": {"```a\"b\nc\n```", "<pre><code>c\n</code></pre>"},
	}
	render := markdown.New(markdown.Options{})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			// The second answer is from the cache.
			for range 2 {
				if got := render.HTML(test.text); got != test.want {
					t.Errorf("HTML(%q)\n got %q\nwant %q", test.text, got, test.want)
				}
			}
		})
	}
}

// A site may show images.
func TestHTML_Images(t *testing.T) {
	t.Parallel()

	render := markdown.New(markdown.Options{Images: true})
	got := render.HTML(`![a *b* "c"](https://d/e.png?f=1&g=2)`)
	want := `<p><img src="https://d/e.png?f=1&amp;g=2" alt="a b &#34;c&#34;" loading="lazy" referrerpolicy="no-referrer"></p>`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := render.HTML("![a](data:image/png,b)"); got != "<p>a</p>" {
		t.Errorf("an image of another scheme is %s", got)
	}
}

// The HTML of any text is bounded: with images a line of a comment of 5,000 characters has at
// most 40 times its size.
func TestHTML_IsBounded(t *testing.T) {
	t.Parallel()

	render := markdown.New(markdown.Options{Images: true})
	for _, piece := range []string{"-\n+\n", ">\n\n", "***\n", "&", "\"", "<", "a\n\n", "`a`", "*a*", "www.a.b ", "a@b.c ", "<a:b>", "[](a:b)", "![](//a)", "![](http://a)", "😀"} {
		text := strings.Repeat(piece, 5000/len([]rune(piece)))
		if html := render.HTML(text); len(html) > 40*len(text) {
			t.Errorf("%d bytes of %q become %d", len(text), piece, len(html))
		}
	}
}
