package api

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/store"
)

// The paths of the documents that are rendered for nobody: the server looks at no credential, so
// caches may give them to all users.
const (
	renderedHTML = "/v1/posts/:post/comments.html"
	renderedAtom = "/v1/posts/:post/comments.atom"
)

// renderedHandlers answer with the comments of a post as documents, for readers without scripts
// and for feed readers.
type renderedHandlers struct {
	comments  *commentHandlers
	page      pageTemplate
	publicURL string // without a slash at the end; "" if it is not known
	framers   string // sources of the pages that may frame the HTML (CSP, frame-ancestors)
}

func newRenderedHandlers(comments *commentHandlers, cfg Config) *renderedHandlers {
	return &renderedHandlers{
		comments, newPageTemplate(), publicFolder(cfg.PublicURL),
		strings.Join(append([]string{"'self'"}, cfg.AllowedOrigins...), " "),
	}
}

// publicFolder returns the address of the server without a slash at the end, a query and a
// fragment.
func publicFolder(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	u.RawQuery, u.Fragment = "", ""
	return strings.TrimRight(u.String(), "/")
}

// withoutCredentials is the middleware of the routes that look at no credential, in the place
// of authenticate. It parses the query, which must not have a token.
func withoutCredentials(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		values, err := parseQuery(c.Request().URL.RawQuery)
		if err != nil {
			return err
		}
		c.Set(callKey, call{query: values})
		return next(c)
	}
}

// load returns the first page of the comments of the post in the path, and sets the header
// fields for caches. done says that the answer is 304 and was sent. The error is
// [store.ErrNotFound] if the post does not exist.
func (h *renderedHandlers) load(c echo.Context, q store.ListQuery) (list store.CommentList, done bool, err error) {
	post, err := postTopic(c)
	if err != nil {
		return list, false, err
	}
	q.PostID, q.Limit = post.ID(), defaultPageSize
	if done, err = h.notModified(c, q.PostID); done || err != nil {
		return list, done, err
	}
	if list, err = h.comments.store.Comments(c.Request().Context(), q); err != nil {
		return list, false, err
	}
	if list.Post.CreatedAt.IsZero() {
		return list, false, store.ErrNotFound
	}
	h.cache(c, list.State)
	return list, false, nil
}

// notModified answers 304 without a read of comments if the client has the document already.
func (h *renderedHandlers) notModified(c echo.Context, post string) (bool, error) {
	if c.Request().Header.Get("If-None-Match") == "" {
		return false, nil
	}
	state, err := h.comments.store.ListState(c.Request().Context(), post, "")
	if err != nil || !hasTag(c, h.comments.tag(c, state)) {
		return false, err
	}
	h.cache(c, state)
	return true, c.NoContent(http.StatusNotModified)
}

// cache sets the header fields for caches, in the place of those that lists have.
func (h *renderedHandlers) cache(c echo.Context, state store.ListState) {
	c.Response().Header().Set("ETag", h.comments.tag(c, state))
	c.Response().Header().Set(echo.HeaderCacheControl, "public, no-cache")
}

// link returns the address of a document of a post (html or atom), relative to the documents.
// An id that a path would encode is in the query, because some proxies decode paths.
func link(post, document string) string {
	if url.PathEscape(post) == post {
		return "comments." + document
	}
	return "comments." + document + "?post=" + url.QueryEscape(post)
}

// address returns the absolute address of a document, or "" if the server's own address is not
// configured: that of the request is a client's choice, and a cache would keep it for all users.
func (h *renderedHandlers) address(post, document string) string {
	if h.publicURL == "" {
		return ""
	}
	segment := post
	if url.PathEscape(post) != post {
		segment = postInQuery
	}
	return h.publicURL + "/v1/posts/" + segment + "/" + link(post, document)
}

// webAddress returns the address of a post on its site, or "" unless it is an absolute http or
// https URL. Sites may store any text.
func webAddress(p store.Post) string {
	if p.URL == nil {
		return ""
	}
	u, err := url.Parse(*p.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return u.String()
}

// headingOf returns the title of a post, or its id if it has none.
func headingOf(p store.Post) string {
	if p.Title == nil {
		return p.ID
	}
	return cmp.Or(strings.TrimSpace(printable(*p.Title)), p.ID)
}

// printable replaces the characters that neither HTML nor XML documents may have: controls but
// for white space, and noncharacters (HTML standard, "Preprocessing the input stream").
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
