package page

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tidings-live/tidings/api/client"
)

// A List says which list of comments a page shows.
type List struct {
	Post  string
	Sort  string // newest (the default), oldest or top
	Flat  bool   // all comments by time; otherwise roots with their replies
	Limit int    // comments that are loaded at once; 0: the default of the server
}

// A Page shows the comments of a post. It belongs to one goroutine.
type Page struct {
	// Post is the post as the list shows it.
	Post client.ListedPost
	// Cursor is the place in the log that the page was loaded at: the events after it are for
	// [Page.Apply].
	Cursor string

	list  List
	user  string // the reader; "" if not signed in
	shown span
	known map[string]*Comment // all comments of the page, by id
	added []string            // ids of comments that [Page.Fill] has to read about
}

// Len returns the number of comments of the page, replies included.
func (p *Page) Len() int { return len(p.known) }

// counts are the member thread of events about replies.
type counts struct {
	ParentReplyCount int64 `json:"parentReplyCount"`
	ThreadCount      int64 `json:"threadCount"`
}

// Apply changes the page as an event says. Events of other topics and with other names change
// nothing. An error means that the data of the event is unreadable.
func (p *Page) Apply(e client.Event) error {
	err := error(nil)
	switch {
	case e.Topic == "post:"+p.list.Post:
		err = p.applyPost(e)
	case p.user != "" && e.Topic == "user:"+p.user && e.Name == "liked":
		err = p.applyLiked(e.Data)
	}
	if err != nil {
		return fmt.Errorf("data of %s: %w", e.Name, err)
	}
	return nil
}

func (p *Page) applyPost(e client.Event) (err error) {
	switch e.Name {
	case "new-comment", "comment-updated":
		var c struct {
			client.Comment
			Thread *counts `json:"thread"`
		}
		if err = json.Unmarshal(e.Data, &c); err != nil {
			return err
		}
		if p.known[c.ID] != nil || c.Status != "deleted" {
			p.put(c.Comment)
		}
		p.count(c.Comment.ParentID, c.Comment.RootID, c.Thread)
	case "comment-deleted":
		var d struct {
			ID        string          `json:"id"`
			ParentID  *string         `json:"parentId"`
			RootID    *string         `json:"rootId"`
			Thread    *counts         `json:"thread"`
			Tombstone *client.Comment `json:"tombstone"`
		}
		if err = json.Unmarshal(e.Data, &d); err != nil {
			return err
		}
		if d.Tombstone != nil {
			p.put(*d.Tombstone)
		} else if c := p.known[d.ID]; c != nil {
			p.remove(c)
		}
		p.count(d.ParentID, d.RootID, d.Thread)
	case "comment-count", "like-update":
		err = p.applyCount(e)
	case "post-updated":
		liked, post := p.Post.Liked, client.ListedPost{}
		if err = json.Unmarshal(e.Data, &post); err == nil {
			p.Post = post
			p.Post.Liked = liked
		}
	case "post-deleted":
		p.Post = client.ListedPost{ID: p.list.Post}
		p.shown = span{order: p.shown.order, whole: true}
		p.known, p.added = make(map[string]*Comment), nil
	}
	return err
}

func (p *Page) applyCount(e client.Event) error {
	var d struct {
		CommentID string `json:"commentId"`
		Count     int64  `json:"count"`
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return err
	}
	switch c := p.known[d.CommentID]; {
	case e.Name == "comment-count":
		p.Post.CommentCount = d.Count
	case d.CommentID == "":
		p.Post.LikeCount = d.Count
	case c != nil:
		c.LikeCount = d.Count
	}
	return nil
}

func (p *Page) applyLiked(data []byte) error {
	var d struct {
		PostID    string `json:"postId"`
		CommentID string `json:"commentId"`
		Liked     bool   `json:"liked"`
	}
	if err := json.Unmarshal(data, &d); err != nil || d.PostID != p.list.Post {
		return err
	}
	switch c := p.known[d.CommentID]; {
	case d.CommentID == "":
		p.Post.Liked = d.Liked
	case c != nil && c.Status != "deleted":
		c.Liked = d.Liked
	}
	return nil
}

// count sets the counts of the parent and of the root of a reply.
func (p *Page) count(parent, root *string, thread *counts) {
	if thread == nil {
		return
	}
	if c := p.known[*parent]; c != nil {
		c.ReplyCount = thread.ParentReplyCount
	}
	if c := p.known[*root]; c != nil {
		c.ThreadCount = thread.ThreadCount
	}
}

// put replaces a comment or adds it, if its place is loaded. Otherwise the page does not have
// it afterwards.
func (p *Page) put(c client.Comment) {
	known := p.known[c.ID]
	if known == nil {
		p.add(c)
		return
	}
	returns := known.Status == "deleted" && c.Status != "deleted"
	c.Liked = known.Liked && c.Status != "deleted"
	if p.shown.order == asLoaded && c.RootID == nil {
		known.Comment = c
	} else {
		s := p.spanOf(c)
		s.remove(known)
		if known.Comment = c; !s.put(known) {
			p.forget(known)
			return
		}
	}
	if returns {
		p.ask(known)
	}
}

// add adds a comment that the page does not have.
func (p *Page) add(c client.Comment) {
	s := p.spanOf(c)
	n := &Comment{Comment: c}
	if s == nil || !s.put(n) {
		return
	}
	p.known[c.ID] = n
	if c.RootID == nil && !p.list.Flat {
		n.below = &span{order: byTime, whole: c.ThreadCount == 0}
	}
	p.ask(n)
}

// ask notes that Fill has to read what events do not say of a comment.
func (p *Page) ask(c *Comment) {
	if p.repliesAreUnknown(c) || p.likedIsUnknown(c) {
		p.added = append(p.added, c.ID)
	}
}

func (p *Page) repliesAreUnknown(c *Comment) bool {
	return c.below != nil && !c.below.whole && c.below.end == nil
}

func (p *Page) likedIsUnknown(c *Comment) bool {
	return c.LikeCount > 0 && p.user != "" && c.Status != "deleted"
}

// spanOf returns the list that a comment is in; nil for a reply to a root that is not loaded.
func (p *Page) spanOf(c client.Comment) *span {
	if p.list.Flat || c.RootID == nil {
		return &p.shown
	}
	if root := p.known[*c.RootID]; root != nil {
		return root.below
	}
	return nil
}

func (p *Page) remove(c *Comment) {
	p.spanOf(c.Comment).remove(c)
	p.forget(c)
}

// forget forgets a comment that is in no list any more, with its replies.
func (p *Page) forget(c *Comment) {
	delete(p.known, c.ID)
	p.added = slices.DeleteFunc(p.added, func(id string) bool { return id == c.ID })
	if c.below == nil {
		return
	}
	for _, reply := range c.below.comments {
		p.forget(reply)
	}
}
