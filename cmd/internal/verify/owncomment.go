package verify

import (
	"fmt"
	"math/rand/v2"
)

// An ownComment is a comment of a writer, as the server acknowledged the writer's changes. No other
// writer changes it.
type ownComment struct {
	id, post string
	root     bool
	n        int64 // number of the write that created it

	text    string
	status  string
	pinned  bool
	version int64 // 0: not known, because SQL wrote the comment

	// lost is the text of an edit without an answer. The edit names the version that it changes,
	// so it is decided as soon as another edit of that version is answered.
	lost string
	// unknown is true after another change without an answer: the server may carry that out at
	// any later time. The comment is not changed any more.
	unknown bool
	// changes counts the acknowledged and unanswered changes.
	changes [kinds]int64
}

// A kind is a kind of writes that the state of the writers decides.
type kind int

const (
	kindLike kind = iota
	kindCommentLike
	kindEdit
	kindStatus // hide and approve
	kindPin
	kindDelete
	kindRead
	kindPage  // a page that followed the events: see check_pages.go
	kindInbox // a list of notifications that did: see check_inboxes.go
	kinds
)

// kindNames are the names of the kinds in the report.
var kindNames = [kinds]string{"likes", "likes of comments", "edits", "hidden or approved", "pins", "deletes", "marked read", "pages", "notification lists"}

// A change is a change of a comment.
type change struct {
	kind   kind
	text   string // of kindEdit
	status string // of kindStatus and kindDelete
	pin    bool   // of kindPin
}

// record records the outcome of a change. version is that in the answer.
func (c *ownComment) record(x change, version int64, o outcome) {
	switch {
	case o != acknowledged && o != unanswered:
		return
	case o == unanswered && x.kind == kindEdit && c.version != 0:
		c.lost = x.text
	case o == unanswered:
		c.unknown = true
	default:
		c.version = version
		c.apply(x)
	}
	c.changes[x.kind]++
}

func (c *ownComment) apply(x change) {
	switch x.kind {
	case kindEdit:
		c.text, c.lost = x.text, ""
	case kindStatus, kindDelete:
		c.status = x.status
	case kindPin:
		c.pinned = x.pin
	}
}

// next returns a random change. An edit without an answer is repeated with another text, a hidden
// comment is published.
func (c *ownComment) next(random *rand.Rand) change {
	edit := change{kind: kindEdit, text: fmt.Sprintf("edit %d of comment %s", random.IntN(1_000_000), c.id)}
	percent := random.IntN(100)
	switch {
	case c.lost != "":
		return edit
	case c.status != "published":
		return change{kind: kindStatus, status: "published"}
	case percent < 40:
		return edit
	case percent < 60 && c.root:
		return change{kind: kindPin, pin: !c.pinned}
	case percent < 85:
		return change{kind: kindStatus, status: []string{"pending", "rejected", "spam"}[random.IntN(3)]}
	}
	return change{kind: kindDelete, status: "deleted"}
}

// decides reports whether the result of the changes of a kind is known.
func (c *ownComment) decides(k kind) bool { return !c.unknown && (k != kindEdit || c.lost == "") }

// shownText is the text of the row.
func (c *ownComment) shownText() string {
	if c.status == "deleted" {
		return ""
	}
	return c.text
}
