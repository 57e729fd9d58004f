package markdown

import (
	"regexp"

	"github.com/microcosm-cc/bluemonday"
)

// policy returns the list of what may stand in the HTML of a comment.
func policy(images bool) *bluemonday.Policy {
	list := bluemonday.NewPolicy()
	list.AllowElements("p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li")
	list.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	list.AllowAttrs("class").Matching(regexp.MustCompile(`^language-[A-Za-z0-9_+#.-]{1,40}$`)).OnElements("code")

	list.AllowURLSchemes("http", "https", "mailto")
	list.RequireParseableURLs(true)
	list.AllowAttrs("href").OnElements("a")
	list.AllowAttrs("rel").Matching(regexp.MustCompile("^" + rel + "$")).OnElements("a")
	if images {
		list.AllowAttrs("src").OnElements("img")
		list.AllowAttrs("alt").OnElements("img")
		list.AllowAttrs("loading").Matching(regexp.MustCompile("^lazy$")).OnElements("img")
		list.AllowAttrs("referrerpolicy").Matching(regexp.MustCompile("^no-referrer$")).OnElements("img")
	}
	return list
}
