package page

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

// A Comment is a comment on a page. The Replies of the embedded comment are nil.
type Comment struct {
	client.Comment
	below *span // replies of a root, by time; nil for other comments and in flat lists
}

// A place is the place of a comment in a list.
type place struct {
	pinned bool
	at     time.Time // of the pin or of the comment
	id     int64
}

// An order is the order of a list.
type order int

const (
	byTime        order = iota // oldest first
	byTimeReverse              // newest first
	pinsThenTime               // pinned comments first, the last pin on top; then oldest first
	pinsThenTimeReverse
	asLoaded // nothing is added or moved
)

func orderOf(l List) order {
	switch {
	case l.Sort == "top":
		return asLoaded
	case l.Flat && l.Sort == "oldest":
		return byTime
	case l.Flat:
		return byTimeReverse
	case l.Sort == "oldest":
		return pinsThenTime
	}
	return pinsThenTimeReverse
}

func (o order) place(c *Comment) place {
	id, _ := strconv.ParseInt(c.ID, 10, 64) // the server gives ids that are numbers
	if c.PinnedAt != nil && (o == pinsThenTime || o == pinsThenTimeReverse) {
		return place{pinned: true, at: *c.PinnedAt, id: id}
	}
	return place{at: c.CreatedAt, id: id}
}

func (o order) compare(a, b place) int {
	ascending := cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id))
	switch {
	case a.pinned != b.pinned && a.pinned:
		return -1
	case a.pinned != b.pinned:
		return 1
	case a.pinned, o == byTimeReverse, o == pinsThenTimeReverse:
		return -ascending
	}
	return ascending
}

// A span is the loaded part of a list: its comments up to a place.
type span struct {
	order    order
	comments []*Comment
	end      *place // the last place that was loaded; nil: none
	whole    bool   // the list was loaded to its end
	next     string // where the next page begins; "": with the list
}

// covers reports whether a place is loaded.
func (s *span) covers(p place) bool {
	return s.order != asLoaded && (s.whole || s.end != nil && s.order.compare(p, *s.end) <= 0)
}

// put adds a comment at its place. It returns false if the place is not loaded.
func (s *span) put(c *Comment) bool {
	p := s.order.place(c)
	if !s.covers(p) {
		return false
	}
	i, _ := slices.BinarySearchFunc(s.comments, p, func(other *Comment, p place) int { return s.order.compare(s.order.place(other), p) })
	s.comments = slices.Insert(s.comments, i, c)
	return true
}

func (s *span) remove(c *Comment) {
	s.comments = slices.DeleteFunc(s.comments, func(other *Comment) bool { return other == c })
}

// loadedThrough notes how far a page of the list reaches.
func (s *span) loadedThrough(data []client.Comment, page client.PageInfo) {
	s.whole, s.next = !page.More, page.Next
	if len(data) > 0 {
		last := s.order.place(&Comment{Comment: data[len(data)-1]})
		s.end = &last
	}
}
