package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/web"
	"github.com/tidings-live/tidings/store"
)

// A pageTemplate makes pages of comments.
type pageTemplate struct {
	html   *template.Template
	style  template.CSS
	source string // of the style (CSP, style-src): a hash
}

// newPageTemplate reads the template. It panics if the embedded files are wrong, which every
// test of the server would find.
func newPageTemplate() pageTemplate {
	page := template.Must(template.ParseFS(web.Pages(), "comments.html"))
	style, err := fs.ReadFile(web.Pages(), "comments.css")
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(style)
	return pageTemplate{page, template.CSS(style), "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"}
}

// A pageView is the data of the template.
type pageView struct {
	Heading  string
	PostURL  string // "" if the post has no address that can be linked
	Feed     string // relative address of the Atom feed
	Style    template.CSS
	Count    string
	Locked   bool
	Comments []pageComment
	More     bool // the post has older comments
}

// A pageComment is a comment in the page. A tombstone has only its id and replies.
type pageComment struct {
	ID             string
	Author         string // "": it is a tombstone
	Time, Date     string // for programs and for people
	Edited, Pinned bool
	Likes          string        // "" without likes
	HTML           template.HTML // safe in any page, see [store.Config].HTML
	Replies        []pageComment
	MoreReplies    string // "" if all are there
}

// html answers GET /v1/posts/{post}/comments.html with the first page of the list as HTML: 20
// roots, newest first, with their first replies. It is the same for all users and has no script.
// A page of more than 1 MiB ends early. Problems: not_found (also for a post that does not
// exist), invalid_id, malformed.
func (h *renderedHandlers) html(c echo.Context) error {
	list, done, err := h.load(c, store.ListQuery{Sort: store.Newest})
	if done || err != nil {
		return err
	}
	answer := h.comments.view(c, "", list, func(l store.ListedComment) store.Place { return l.Place(store.Newest, false) })
	h.cache(c, list.State)
	view := pageView{
		Heading: headingOf(list.Post), PostURL: webAddress(list.Post), Feed: link(list.Post.ID, "atom"), Style: h.page.style,
		Count: counted(list.Post.Comments, "comment"), Locked: list.Post.Locked, More: answer.Page.More,
	}
	for _, comment := range answer.Data {
		view.Comments = append(view.Comments, viewOnPage(comment))
	}
	var body bytes.Buffer
	if err := h.page.html.Execute(&body, view); err != nil {
		return fmt.Errorf("render comments: %w", err)
	}
	header := c.Response().Header()
	header.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; style-src "+h.page.source+"; base-uri 'none'; form-action 'none'; frame-ancestors "+h.framers)
	header.Del(echo.HeaderXFrameOptions) // it would also refuse the framers
	return send(c, http.StatusOK, echo.MIMETextHTMLCharsetUTF8, body.Bytes())
}

func viewOnPage(c listedJSON) pageComment {
	v := pageComment{ID: c.ID}
	if c.Author != nil {
		v.Author = printable(c.Author.Name)
		v.Time, v.Date = c.CreatedAt, dateOf(c.CreatedAt)
		v.Edited, v.Pinned = c.EditedAt != nil, c.PinnedAt != nil
		v.HTML = template.HTML(printable(c.HTML)) //nolint:gosec // made by our renderer
		if c.LikeCount > 0 {
			v.Likes = counted(c.LikeCount, "like")
		}
	}
	if c.Replies == nil {
		return v
	}
	for _, reply := range c.Replies.Data {
		v.Replies = append(v.Replies, viewOnPage(reply))
	}
	if more := c.ThreadCount - int64(len(c.Replies.Data)); c.Replies.Page.More && more > 0 {
		v.MoreReplies = fmt.Sprintf("and %d more", more)
	}
	return v
}

// counted returns a number with its noun.
func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// dateOf writes a timestamp of an answer for people.
func dateOf(timestamp string) string {
	at, err := time.Parse(time.RFC3339, timestamp)
	if err != nil {
		return timestamp
	}
	return at.UTC().Format("2 January 2006, 15:04 UTC")
}
