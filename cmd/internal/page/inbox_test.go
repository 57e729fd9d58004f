package page

import (
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// loadedInbox returns a list that is loaded as far as the reply 20. 30 are likes of comment 1, and
// 25 is read, so a list of unread ones does not have it.
func loadedInbox(options client.NotificationOptions) *Inbox {
	b := &Inbox{options: options, user: "ann", Unread: 9, end: 20}
	read := at(25)
	liked := "1"
	b.put(client.Notification{ID: "30", Kind: "like", PostID: "p", CommentID: &liked})
	b.put(client.Notification{ID: "25", Kind: "comment", PostID: "p", ReadAt: &read})
	b.put(client.Notification{ID: "20", Kind: "reply", PostID: "p"})
	return b
}

// inboxText returns the ids of a list, with marks for what is read (x), and what has to be loaded again (?).
func inboxText(b *Inbox) string {
	var all []string
	for _, n := range b.shown {
		if n.ReadAt != nil {
			n.ID += "x"
		}
		all = append(all, n.ID)
	}
	if b.Stale() {
		all = append(all, "?")
	}
	return strings.Join(all, " ")
}

func TestInbox_AppliesEvents(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		unread     bool // a list of unread ones
		data, want string
	}{
		"Adds":               {false, `{"id":"31","kind":"reply","postId":"p","commentId":"1","unread":7}`, "31 30 25x 20"},
		"AddsInOrder":        {false, `{"id":"27","kind":"reply","postId":"p","unread":7}`, "30 27 25x 20"},
		"LeavesOutOfRange":   {false, `{"id":"19","kind":"reply","postId":"p","unread":7}`, "30 25x 20"},
		"Replaces":           {false, `{"id":"20","kind":"reply","postId":"p","readAt":"2026-01-02T03:04:05Z","unread":7}`, "30 25x 20x"},
		"ReplacesLikes":      {false, `{"id":"33","kind":"like","postId":"p","commentId":"1","unread":7}`, "33 25x 20"},
		"ReplacesByOlder":    {false, `{"id":"22","kind":"like","postId":"p","commentId":"1","unread":7}`, "25x 22 20"},
		"MovesOutOfRange":    {false, `{"id":"2","kind":"like","postId":"p","commentId":"1","unread":7}`, "25x 20"},
		"KnowsThePost":       {false, `{"id":"33","kind":"like","postId":"p","unread":7}`, "33 30 25x 20"},
		"MarksRead":          {false, `{"read":["20","99"],"readAt":"2026-01-02T03:04:05Z","unread":7}`, "30 25x 20x"},
		"Withdraws":          {false, `{"withdrawn":["20","25","99"],"unread":7}`, "30"},
		"AsksIfManyAreRead":  {false, `{"read":null,"unread":7}`, "30 25x 20 ?"},
		"AsksIfManyAreGone":  {false, `{"withdrawn":null,"unread":7}`, "30 25x 20 ?"},
		"RemovesRead":        {true, `{"read":["20"],"readAt":"2026-01-02T03:04:05Z","unread":7}`, "30"},
		"LeavesOutRead":      {true, `{"id":"30","kind":"like","postId":"p","commentId":"1","readAt":"2026-01-02T03:04:05Z","unread":7}`, "20"},
		"AddsUnreadAgain":    {true, `{"id":"25","kind":"comment","postId":"p","readAt":null,"unread":7}`, "30 25 20"},
		"WithdrawsUnreadToo": {true, `{"withdrawn":["30"],"unread":7}`, "20"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := loadedInbox(client.NotificationOptions{Unread: tt.unread})
			streamtest.Must(t, b.Apply(client.Event{Name: "notification", Topic: "user:ben", Data: []byte(`{"withdrawn":["20"],"unread":1}`)}))
			streamtest.Must(t, b.Apply(client.Event{Name: "notification", Topic: "user:ann", Data: []byte(tt.data)}))
			streamtest.Want(t, "the list", inboxText(b), tt.want)
			streamtest.Want(t, "unread", b.Unread, 7)
		})
	}
}

// A difference in each part of a list is found, and what the page has not loaded is none.
func TestInbox_FindsDifferences(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct {
		of    func(again *Inbox)
		lines int
	}{
		"None":         {func(*Inbox) {}, 0},
		"Older":        {func(b *Inbox) { b.whole = true; b.put(client.Notification{ID: "10"}) }, 0},
		"NameAndCount": {func(b *Inbox) { b.shown[0].Actor.Name, b.shown[1].Actor.AvatarURL = "Ben", nil }, 0},
		"Unread":       {func(b *Inbox) { b.Unread++ }, 1},
		"Added":        {func(b *Inbox) { b.put(client.Notification{ID: "40"}) }, 1},
		"Missing":      {func(b *Inbox) { b.shown = b.shown[1:] }, 1},
		"Read":         {func(b *Inbox) { b.shown[0].ReadAt = b.shown[1].ReadAt }, 2},
		"Order":        {func(b *Inbox) { b.shown[0], b.shown[1] = b.shown[1], b.shown[0] }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, again := loadedInbox(client.NotificationOptions{}), loadedInbox(client.NotificationOptions{})
			change.of(again)
			if lines := b.Differences(again); len(lines) != change.lines {
				t.Errorf("got %d lines: %q", len(lines), lines)
			}
		})
	}
}
