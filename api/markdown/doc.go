// Package markdown turns the text of a comment into HTML that is safe in any page.
//
// The text is CommonMark with strikethrough and with links for bare addresses. A line break
// in the text is a line break in the HTML. Headings do not exist, so a comment cannot change
// the outline of its page: "# one" and "#hashtag" stay text. HTML does not exist either, so
// "List<String>" stays what its author typed. Link references ("[a]: b") do not exist either,
// since the text of a definition would be invisible.
//
// Two layers make the result safe, and each of them is enough alone. The parser knows no raw
// HTML, and the renderer (links.go) links only to http, https and mailto. Then a sanitizer
// removes every element and attribute that is not in a short list (policy.go).
//
// The HTML depends on the text and on [Options] alone. So a cache keyed by a hash of the text
// (cache.go) is never stale, whatever changes a row, and holds nothing that a reader of the
// HTML could not have.
package markdown
