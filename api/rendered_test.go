package api

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// Both documents about a post, as tests ask for them.
const (
	htmlPath = "/v1/posts/42/comments.html"
	atomPath = "/v1/posts/42/comments.atom"
)

// parsePage parses HTML strictly: there is no parse error that the parser would report, each
// start tag has its end tag, and no id occurs twice.
func parsePage(t *testing.T, text string) *html.Node {
	t.Helper()
	if !strings.HasPrefix(text, "<!doctype html>\n<html lang=\"en\">") {
		t.Errorf("the page begins with %.60q", text)
	}
	void := map[string]bool{"meta": true, "link": true, "br": true, "hr": true, "img": true, "input": true}
	var open []string
	ids := make(map[string]bool)
	for tokens := html.NewTokenizer(strings.NewReader(text)); ; {
		kind := tokens.Next()
		token := tokens.Token()
		for _, a := range token.Attr {
			if a.Key == "id" && ids[a.Val] {
				t.Errorf("the id %s occurs twice", a.Val)
			} else if a.Key == "id" {
				ids[a.Val] = true
			}
		}
		switch {
		case kind == html.ErrorToken:
			streamtest.Want(t, "open elements", strings.Join(open, " "), "")
			root, err := html.Parse(strings.NewReader(text))
			streamtest.Must(t, err)
			return root
		case kind == html.StartTagToken && !void[token.Data]:
			open = append(open, token.Data)
		case kind == html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("</%s> ends %v", token.Data, open)
			}
			open = open[:len(open)-1]
		}
	}
}

// find returns the elements that match, in the order of the document.
func find(root *html.Node, match func(n *html.Node) bool) (found []*html.Node) {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && match(n) {
			found = append(found, n)
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// textOf returns the text of an element, with single spaces.
func textOf(n *html.Node) string {
	var all strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			all.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(all.String()), " ")
}

// An atomFeed is what tests look at in a feed (RFC 4287 section 4.1.1).
type atomFeed struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	ID      []string `xml:"id"`
	Title   []string `xml:"title"`
	Updated []string `xml:"updated"`
	Links   []struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr"`
		Href string `xml:"href,attr"`
	} `xml:"link"`
	Entries []struct {
		ID        []string `xml:"id"`
		Title     []string `xml:"title"`
		Updated   []string `xml:"updated"`
		Published []string `xml:"published"`
		Author    []struct {
			Name []string `xml:"name"`
		} `xml:"author"`
		Content []struct {
			Type string `xml:"type,attr"`
			Text string `xml:",chardata"`
		} `xml:"content"`
		Links []struct {
			Rel  string `xml:"rel,attr"`
			Href string `xml:"href,attr"`
		} `xml:"link"`
	} `xml:"entry"`
}

var urn = regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// parseFeed parses a feed and checks what RFC 4287 demands of each.
func parseFeed(t *testing.T, text string) atomFeed {
	t.Helper()
	var feed atomFeed
	if err := xml.Unmarshal([]byte(text), &feed); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if !strings.HasPrefix(text, `<?xml version="1.0" encoding="UTF-8"?>`) {
		t.Errorf("the feed begins with %.60q", text)
	}
	one := func(what string, values []string) string {
		t.Helper()
		if len(values) != 1 || values[0] == "" {
			t.Errorf("%s is %q", what, values)
			return ""
		}
		return values[0]
	}
	instant := func(what string, values []string) time.Time {
		t.Helper()
		at, err := time.Parse(time.RFC3339, one(what, values))
		streamtest.Must(t, err)
		return at
	}
	one("the title", feed.Title)
	newest := instant("updated", feed.Updated)
	ids := map[string]bool{one("the id", feed.ID): true}
	for _, e := range feed.Entries {
		one("the title of an entry", e.Title)
		if at := instant("updated of an entry", e.Updated); at.After(newest) {
			t.Errorf("an entry of %v is newer than the feed of %v", at, newest)
		}
		instant("published", e.Published)
		if len(e.Author) != 1 {
			t.Fatalf("an entry has %d authors", len(e.Author))
		}
		one("the name of an author", e.Author[0].Name)
		streamtest.Want(t, "the type of the content", len(e.Content) == 1 && e.Content[0].Type == "html", true)
		if id := one("the id of an entry", e.ID); ids[id] {
			t.Errorf("the id %s occurs twice", id)
		} else {
			ids[id] = true
		}
	}
	for id := range ids {
		if !urn.MatchString(id) {
			t.Errorf("the id %q is no UUID", id)
		}
	}
	return feed
}

const hostile = `{"body":"<script>alert(1)</script> ]]> & *yes* \u0007 <img src=x onerror=alert(1)> [x](javascript:alert(1)) [y](https://y.example/?a&b)"}`

func TestRendered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop := as(t, "shop", auth.RoleService)
	for _, path := range []string{htmlPath, atomPath} {
		r.do(t, "GET", path).isProblem(t, http.StatusNotFound, "not_found")
	}
	r.do(t, "PUT", "/v1/posts/42", shop, sends(`{"title":"A <b>kettle</b> & \u0001\"more\"","url":"https://shop.example/kettle?a=1&b=2"}`))
	root := r.write(t, "42", "ann", hostile)
	r.write(t, "42", "ben", `{"body":"a reply","parentId":"`+root+`"}`)
	for _, kept := range []string{"spam", "deleted", "pending", "rejected"} {
		id := r.write(t, "42", "eve", `{"body":"removed text `+kept+`"}`)
		r.do(t, "PUT", "/v1/comments/"+id+"/status", shop, sends(`{"status":"`+kept+`"}`))
	}
	gone := r.write(t, "42", "eve", `{"body":"removed text above a reply"}`)
	r.write(t, "42", "cat", `{"body":"below a tombstone","parentId":"`+gone+`"}`)
	r.do(t, "DELETE", "/v1/comments/"+gone, shop)

	t.Run("HTML", func(t *testing.T) {
		t.Parallel()
		got := r.do(t, "GET", htmlPath)
		streamtest.Want(t, "status", got.status, http.StatusOK)
		streamtest.Want(t, "Content-Type", got.header.Get("Content-Type"), "text/html; charset=UTF-8")
		page := parsePage(t, got.body)
		articles := find(page, func(n *html.Node) bool { return n.Data == "article" })
		var seen []string
		for _, a := range articles {
			seen = append(seen, attribute(a, "id"))
		}
		streamtest.Want(t, "comments", strings.Join(seen, " "), "comment-7 comment-8 comment-1 comment-2")
		text := textOf(page)
		for _, part := range []string{`A <b>kettle</b> & �"more"`, "a reply", "below a tombstone", "<script>alert(1)</script>", "This comment was deleted", "3 comments"} {
			if !strings.Contains(strings.ReplaceAll(text, "\x01", "�"), part) {
				t.Errorf("%q is missing in %q", part, text)
			}
		}
		if strings.Contains(got.body, "removed text") || strings.Contains(got.body, "Eve") {
			t.Errorf("removed text is there: %s", got.body)
		}
		for _, bad := range find(page, func(n *html.Node) bool { return n.Data == "script" || n.Data == "img" || n.Data == "iframe" }) {
			t.Errorf("the page has %s", bad.Data)
		}
		for _, link := range find(page, func(n *html.Node) bool { return attribute(n, "href") != "" }) {
			if href := attribute(link, "href"); strings.HasPrefix(href, "javascript:") || strings.Contains(href, r.addr) {
				t.Errorf("the page links %s", href)
			}
		}
		alternate := find(page, func(n *html.Node) bool { return n.Data == "link" && attribute(n, "rel") == "alternate" })
		streamtest.Want(t, "links to the feed", len(alternate), 1)
		streamtest.Want(t, "the address of the feed", attribute(alternate[0], "href"), "comments.atom")
	})
	t.Run("Atom", func(t *testing.T) {
		t.Parallel()
		got := r.do(t, "GET", atomPath)
		streamtest.Want(t, "status", got.status, http.StatusOK)
		streamtest.Want(t, "Content-Type", got.header.Get("Content-Type"), "application/atom+xml; charset=utf-8")
		feed := parseFeed(t, got.body)
		streamtest.Want(t, "title", feed.Title[0], "A <b>kettle</b> & �\"more\"")
		var all []string
		for _, e := range feed.Entries {
			all = append(all, e.Author[0].Name[0]+" "+e.Content[0].Text)
		}
		streamtest.Want(t, "entries", len(all), 3) // newest first, without the tombstone
		streamtest.Want(t, "the newest", all[0], "Cat <p>below a tombstone</p>")
		if strings.Contains(got.body, "removed text") || strings.Contains(got.body, "Eve") || strings.Contains(got.body, r.addr) {
			t.Errorf("the feed is %s", got.body)
		}
		streamtest.Want(t, "links of an entry", feed.Entries[0].Links[0].Href, "https://shop.example/kettle?a=1&b=2#comment-8")
		streamtest.Want(t, "ids of a second answer", parseFeed(t, r.do(t, "GET", atomPath).body).Entries[2].ID[0], feed.Entries[2].ID[0])
	})
}

// Neither a token nor a cookie changes the documents: caches may give them to all users.
func TestRendered_LooksAtNoCredential(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write(t, "42", "ann", `{"body":"Hello"}`)
	r.do(t, "PUT", "/v1/posts/42/like", as(t, "ann"))
	for _, path := range []string{htmlPath, atomPath} {
		plain := r.do(t, "GET", path)
		streamtest.Want(t, "status", plain.status, http.StatusOK)
		streamtest.Want(t, "Cache-Control", plain.header.Get("Cache-Control"), "public, no-cache")
		for name, edits := range map[string][]edit{
			"a token": {as(t, "ann")}, "a moderator": {as(t, "mia", auth.RoleModerator)}, "a bad token": {header("Authorization", "Bearer x")},
			"two tokens": {header("Authorization", "Bearer x", "Bearer y")},
			"a cookie":   {cookie(token(t, "ann")), site("same-origin")}, "a bad cookie": {cookie("x"), site("same-origin")},
		} {
			got := r.do(t, "GET", path, edits...)
			streamtest.Want(t, "status with "+name, got.status, http.StatusOK)
			streamtest.Want(t, "body with "+name, got.body, plain.body)
			streamtest.Want(t, "ETag with "+name, got.header.Get("ETag"), plain.header.Get("ETag"))
		}
		r.do(t, "GET", path+"?token=x").isProblem(t, http.StatusBadRequest, "malformed")
		r.do(t, "GET", path, origin("https://evil.example")).isProblem(t, http.StatusForbidden, "forbidden_origin")
	}
}

// A cache that has a document gets 304 until the document changes.
func TestRendered_IsNotModified(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.write(t, "42", "ann", `{"body":"Hello"}`)
	for i, path := range []string{htmlPath, atomPath} {
		tag := r.do(t, "GET", path).header.Get("ETag")
		same := r.do(t, "GET", path, header("If-None-Match", tag))
		streamtest.Want(t, "status", same.status, http.StatusNotModified)
		streamtest.Want(t, "Cache-Control", same.header.Get("Cache-Control"), "public, no-cache")
		streamtest.Want(t, "ETag", same.header.Get("ETag"), tag)
		streamtest.Want(t, "body", same.body, "")
		streamtest.Want(t, "status of HEAD", r.do(t, "HEAD", path).status, http.StatusOK)
		edited := fmt.Sprintf(`{"body":"Hello %d"}`, i)
		streamtest.Want(t, "status of an edit", r.do(t, "PATCH", "/v1/comments/"+id, as(t, "ann"), sends(edited)).status, 200)
		changed := r.do(t, "GET", path, header("If-None-Match", tag))
		streamtest.Want(t, "status after an edit", changed.status, http.StatusOK)
		streamtest.Want(t, "the edit is there", strings.Contains(changed.body, fmt.Sprint("Hello ", i)), true)
	}
}

// The documents may be framed by pages of our own and of allowed origins, and load nothing.
func TestRendered_HasAStrictPolicy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.write(t, "42", "ann", `{"body":"Hello"}`)
	got := r.do(t, "GET", htmlPath)
	policy := got.header.Get("Content-Security-Policy")
	if !regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'self' ` + page + `$`).MatchString(policy) {
		t.Errorf("the policy is %q", policy)
	}
	streamtest.Want(t, "X-Frame-Options", got.header.Get("X-Frame-Options"), "")
	streamtest.Want(t, "policy of the feed", r.do(t, "GET", atomPath).header.Get("Content-Security-Policy"), "default-src 'none'")
}

// Absolute addresses of ours come from the configuration, never from the request.
func TestRendered_HasTheAddressesOfPublicURL(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(s *setup) { s.api.PublicURL = "https://talk.example/t/?x#y" })
	const post = "-/comments.atom?post=%2Fblog%2F%25C3%25A4%3Fp=1"
	r.exec(t, `insert into tidings.posts (id, url) values ('/blog/%C3%A4?p=1', 'javascript:alert(1)')`)
	r.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('/blog/%C3%A4?p=1', 'ann', 'Hello')`)
	got := r.do(t, "GET", "/v1/posts/"+post, host("evil.example"), header("X-Forwarded-Host", "evil.example"))
	streamtest.Want(t, "status", got.status, http.StatusOK)
	feed := parseFeed(t, got.body)
	links := make(map[string]string)
	for _, l := range feed.Links {
		links[l.Rel] = l.Href
	}
	streamtest.Want(t, "self", links["self"], "https://talk.example/t/v1/posts/-/comments.atom?post=%2Fblog%2F%25C3%25A4%3Fp%3D1")
	streamtest.Want(t, "alternate", links["alternate"], "https://talk.example/t/v1/posts/-/comments.html?post=%2Fblog%2F%25C3%25A4%3Fp%3D1")
	streamtest.Want(t, "alternate of an entry", feed.Entries[0].Links[0].Href, links["alternate"]+"#comment-1")
	page := r.do(t, "GET", "/v1/posts/-/comments.html?post=%2Fblog%2F%25C3%25A4%3Fp=1")
	if strings.Contains(got.body+page.body, "evil") || strings.Contains(got.body+page.body, "javascript") {
		t.Errorf("%s %s", got.body, page.body)
	}
	alternate := find(parsePage(t, page.body), func(n *html.Node) bool { return n.Data == "link" && attribute(n, "rel") == "alternate" })
	streamtest.Want(t, "the address of the feed", attribute(alternate[0], "href"), "comments.atom?post=%2Fblog%2F%25C3%25A4%3Fp%3D1")
}

// A post without comments has both documents, and each ends at about a megabyte.
func TestRendered_Sizes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, `insert into tidings.posts (id) values ('empty')`)
	if got := textOf(parsePage(t, r.do(t, "GET", "/v1/posts/empty/comments.html").body)); !strings.Contains(got, "No comments yet") {
		t.Errorf("the page is %q", got)
	}
	streamtest.Want(t, "entries", len(parseFeed(t, r.do(t, "GET", "/v1/posts/empty/comments.atom").body).Entries), 0)

	for post, body := range map[string]string{"emoji": emoji, "quotes": strings.Repeat("> ", 2499) + "x", "lists": strings.Repeat("-\n", 2499) + "x", "amps": strings.Repeat(`"`, 5000)} {
		r.exec(t, `insert into tidings.comments (post_id, author_id, body) select $1, 'ann', $2 from generate_series(1, 30)`, post, body)
		r.exec(t, `insert into tidings.comments (post_id, author_id, parent_id, body) select post_id, 'ann', id, body from tidings.comments, generate_series(1, 4) where post_id = $1`, post)
		for _, kind := range []string{"html", "atom"} {
			got := r.do(t, "GET", "/v1/posts/"+post+"/comments."+kind)
			streamtest.Want(t, "status", got.status, http.StatusOK)
			if len(got.body) > maxAnswerBytes+(4<<10) || len(got.body) < 200<<10 {
				t.Errorf("%s of %s has %d bytes", kind, post, len(got.body))
			}
			if kind == "html" {
				parsePage(t, got.body)
			} else if len(parseFeed(t, got.body).Entries) == 0 {
				t.Error("the feed is empty")
			}
		}
	}
}
