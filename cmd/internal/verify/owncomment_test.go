package verify

import (
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

func TestOwnComment_KnowsWhatIsDecided(t *testing.T) {
	t.Parallel()
	type did struct {
		change
		version int64
		outcome outcome
	}
	edit, hide, pin := change{kind: kindEdit, text: "b"}, change{kind: kindStatus, status: "spam"}, change{kind: kindPin, pin: true}
	remove, other := change{kind: kindDelete, status: "deleted"}, change{kind: kindEdit, text: "x"}
	for name, tt := range map[string]struct {
		all     []did
		want    storedComment
		decides [kinds]bool
	}{
		"Acknowledged": {
			[]did{{edit, 2, acknowledged}, {hide, 3, acknowledged}, {pin, 4, acknowledged}},
			storedComment{"b", "spam", true}, decided(kindEdit, kindStatus, kindPin),
		},
		"Refused":      {[]did{{edit, 0, refused}, {hide, 0, rolledBack}}, storedComment{"a", "published", false}, decided()},
		"Deleted":      {[]did{{remove, 2, acknowledged}}, storedComment{"", "deleted", false}, decided(kindDelete)},
		"EditIsLost":   {[]did{{pin, 2, acknowledged}, {edit, 0, unanswered}}, storedComment{"a", "published", true}, decided(kindPin)},
		"EditFollows":  {[]did{{other, 0, unanswered}, {edit, 2, acknowledged}}, storedComment{"b", "published", false}, decided(kindEdit)},
		"StatusIsLost": {[]did{{edit, 2, acknowledged}, {hide, 0, unanswered}}, storedComment{"b", "published", false}, decided()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &ownComment{id: "7", text: "a", status: "published", version: 1}
			for _, d := range tt.all {
				c.record(d.change, d.version, d.outcome)
			}
			streamtest.Want(t, "the comment", storedComment{c.shownText(), c.status, c.pinned}, tt.want)
			var decides [kinds]bool
			for k := range kinds {
				decides[k] = c.changes[k] > 0 && c.decides(k)
			}
			streamtest.Want(t, "what is decided", decides, tt.decides)
		})
	}
}

func decided(all ...kind) (decides [kinds]bool) {
	for _, k := range all {
		decides[k] = true
	}
	return decides
}

// An edit by SQL names no version: after one without an answer, nothing is known.
func TestOwnComment_IsUnknownAfterALostEditBySQL(t *testing.T) {
	t.Parallel()
	c := &ownComment{id: "7", text: "a", status: "published"}
	c.record(change{kind: kindEdit, text: "b"}, 0, unanswered)
	streamtest.Want(t, "decided", c.decides(kindEdit), false)
	a := &acknowledgedState{comments: []*ownComment{c}}
	if a.any(Config{}.random("test", 1)) != nil {
		t.Error("the comment may be changed again")
	}
}

// A comment that is hidden and approved has two events, and is one write. Two comments with one
// number are two writes.
func TestWriteLog_CountsCommentsAndNotEvents(t *testing.T) {
	t.Parallel()
	l := newWriteLog()
	n := l.add()
	for _, tt := range []struct {
		comment string
		twice   bool
	}{{"7", false}, {"7", false}, {"8", true}} {
		streamtest.Want(t, "found "+tt.comment, l.found(n, tt.comment), tt.twice)
	}
	l.changes("7", n)
	number := func(name string) int64 {
		return l.number(summarize("post:a", name, []byte(`{"id":"7","body":"edit"}`)))
	}
	streamtest.Want(t, "number of a comment with another text", number("new-comment"), n)
	streamtest.Want(t, "number of an update", number("comment-updated"), 0)
}

func TestSameText_AllowsOtherVersions(t *testing.T) {
	t.Parallel()
	read := func(body, status, version string) text {
		return summarize("post:a", "comment-updated", []byte(`{"id":"7","body":"`+body+`","status":"`+status+`","version":`+version+`}`)).text
	}
	for name, tt := range map[string]struct {
		other text
		same  bool
	}{
		"Same":         {read("a", "published", "2"), true},
		"Edited":       {read("b", "published", "3"), true},
		"Removed":      {read("", "deleted", "1"), true},
		"OtherText":    {read("b", "published", "2"), false},
		"OtherVersion": {read("a", "published", "3"), true},
	} {
		streamtest.Want(t, name, sameText(read("a", "published", "2"), tt.other), tt.same)
	}
}
