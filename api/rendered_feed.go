package api

import (
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/store"
)

// The elements of a feed (RFC 4287 section 4).
type (
	feedXML struct {
		XMLName xml.Name  `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string    `xml:"id"`
		Title   string    `xml:"title"`
		Updated string    `xml:"updated"`
		Links   []linkXML `xml:"link"`
		Entries []byte    `xml:",innerxml"`
	}
	linkXML struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr,omitempty"`
		Href string `xml:"href,attr"`
	}
	entryXML struct {
		XMLName   xml.Name   `xml:"entry"`
		ID        string     `xml:"id"`
		Title     string     `xml:"title"`
		Updated   string     `xml:"updated"`
		Published string     `xml:"published"`
		Author    string     `xml:"author>name"`
		Links     []linkXML  `xml:"link"`
		Content   contentXML `xml:"content"`
	}
	contentXML struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	}
)

// atom answers GET /v1/posts/{post}/comments.atom with the newest 20 comments and replies as an
// Atom feed (RFC 4287). It is the same for all users. A feed of more than 1 MiB ends early.
// Problems: not_found (also for a post that does not exist), invalid_id, malformed.
func (h *renderedHandlers) atom(c echo.Context) error {
	list, done, err := h.load(c, store.ListQuery{Flat: true, Sort: store.Newest})
	if done || err != nil {
		return err
	}
	post := list.Post
	feed := feedXML{ID: urnOf(post, 0), Title: headingOf(post)}
	if self := h.address(post.ID, "atom"); self != "" {
		feed.Links = append(feed.Links, linkXML{"self", "application/atom+xml", self})
	}
	page := h.pageOfPost(post)
	if page != "" {
		feed.Links = append(feed.Links, linkXML{"alternate", "text/html", page})
	}
	updated := post.CreatedAt
	for _, comment := range list.Comments {
		if comment.Author.ID == "" { // a tombstone
			continue
		}
		entry, err := xml.Marshal(entryOf(post, comment, page))
		if err != nil {
			return fmt.Errorf("encode entry: %w", err)
		}
		if len(feed.Entries) > 0 && len(feed.Entries)+len(entry) > maxAnswerBytes {
			break
		}
		feed.Entries = append(feed.Entries, entry...)
		updated = later(updated, changedAt(comment))
	}
	feed.Updated = timestamp(updated)
	body, err := xml.Marshal(feed)
	if err != nil {
		return fmt.Errorf("encode feed: %w", err)
	}
	header := c.Response().Header()
	header.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'")
	return send(c, http.StatusOK, "application/atom+xml; charset=utf-8", append([]byte(xml.Header), body...))
}

// pageOfPost returns the address of a page with the comments: that of the site, or else ours; ""
// if neither is known.
func (h *renderedHandlers) pageOfPost(p store.Post) string {
	if page := webAddress(p); page != "" {
		return page
	}
	return h.address(p.ID, "html")
}

// entryOf returns the entry of a comment. page is the address of a page with it, or "".
func entryOf(p store.Post, c store.ListedComment, page string) entryXML {
	entry := entryXML{
		ID: urnOf(p, c.ID), Title: "Comment by " + c.Author.Name,
		Updated: timestamp(changedAt(c)), Published: timestamp(c.CreatedAt), Author: c.Author.Name,
		Content: contentXML{"html", c.HTML},
	}
	if page != "" {
		entry.Links = []linkXML{{"alternate", "text/html", page + "#comment-" + idText(c.ID)}}
	}
	return entry
}

// changedAt returns when a comment got its text.
func changedAt(c store.ListedComment) time.Time {
	if c.EditedAt != nil {
		return later(c.CreatedAt, *c.EditedAt)
	}
	return c.CreatedAt
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// urnOf returns the id of a feed (comment 0) or an entry: a UUID of version 8 (RFC 9562 section
// 5.8), whose bits are a hash of the post and the comment. It stays the same when the address of
// the server changes or a backup is restored, so that feed readers show nothing twice.
func urnOf(p store.Post, comment int64) string {
	u := sha256.Sum256(fmt.Appendf(nil, "tidings %q %d %d", p.ID, p.CreatedAt.UnixMicro(), comment))
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
