package page

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

// An Inbox is the list of the notifications of a user, newest first, as far as it is loaded. It
// belongs to one goroutine.
type Inbox struct {
	// Unread is the number of unread notifications.
	Unread int64
	// Cursor is the place in the log that the list was loaded at: the events after it are for
	// [Inbox.Apply].
	Cursor string

	options client.NotificationOptions
	user    string
	shown   []client.Notification
	end     int64 // the last id that was loaded
	whole   bool  // the list was loaded to its end
	stale   bool  // an event without ids came
}

// LoadInbox loads the first page of the notifications of the user of a client.
func LoadInbox(ctx context.Context, c *client.Client, options client.NotificationOptions) (*Inbox, error) {
	b := &Inbox{options: options}
	first, err := b.read(ctx, c)
	if err != nil {
		return nil, err
	}
	b.user, b.Unread, b.Cursor = first.User, first.Unread, first.Cursor
	return b, nil
}

// InboxOf returns what another program has loaded of the notifications of a user, and has kept up to date.
func InboxOf(shown client.NotificationList) *Inbox {
	b := &Inbox{user: shown.User, Unread: shown.Unread, whole: !shown.Page.More, shown: shown.Data}
	for _, n := range shown.Data {
		b.end = numberOf(n.ID)
	}
	return b
}

// LoadWholeInbox loads all notifications of the user of a client.
func LoadWholeInbox(ctx context.Context, c *client.Client, options client.NotificationOptions) (*Inbox, error) {
	options.Limit = 100
	b, err := LoadInbox(ctx, c, options)
	for err == nil && b.More() {
		err = b.LoadMore(ctx, c)
	}
	return b, err
}

// More reports whether the list may go on after the loaded part.
func (b *Inbox) More() bool { return !b.whole }

// LoadMore loads the next page of the list.
func (b *Inbox) LoadMore(ctx context.Context, c *client.Client) error {
	_, err := b.read(ctx, c)
	return err
}

func (b *Inbox) read(ctx context.Context, c *client.Client) (client.NotificationList, error) {
	answer, err := c.Notifications(ctx, b.options)
	if err != nil {
		return answer, err
	}
	b.options.After, b.whole = answer.Page.Next, !answer.Page.More
	for _, n := range answer.Data {
		b.end = numberOf(n.ID)
		b.put(n)
	}
	return answer, nil
}

// Stale reports whether an event said only that the list has changed: it must be loaded again.
func (b *Inbox) Stale() bool { return b.stale }

// Apply changes the list as an event says. Events of other topics and with other names change
// nothing. An error means that the data of the event is unreadable.
func (b *Inbox) Apply(e client.Event) error {
	if e.Name != "notification" || e.Topic != "user:"+b.user {
		return nil
	}
	var d struct {
		client.Notification
		Unread    int64     `json:"unread"`
		Read      *[]string `json:"read"`
		Withdrawn *[]string `json:"withdrawn"`
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return fmt.Errorf("data of %s: %w", e.Name, err)
	}
	b.Unread = d.Unread
	switch {
	case d.ID != "":
		b.put(d.Notification)
	case d.Withdrawn != nil:
		b.remove(func(n client.Notification) bool { return slices.Contains(*d.Withdrawn, n.ID) })
	case d.Read != nil:
		b.markRead(*d.Read, d.ReadAt)
	default:
		b.stale = true
	}
	return nil
}

// put replaces a notification or adds it, if its place is loaded. The likes of one post or comment
// are one notification, whose id changes.
func (b *Inbox) put(n client.Notification) {
	b.remove(func(other client.Notification) bool {
		return other.ID == n.ID || n.Kind == "like" && keyOf(other) == keyOf(n)
	})
	id := numberOf(n.ID)
	if b.options.Unread && n.ReadAt != nil || !b.whole && id < b.end {
		return
	}
	i, _ := slices.BinarySearchFunc(b.shown, id, func(other client.Notification, id int64) int { return int(id - numberOf(other.ID)) })
	b.shown = slices.Insert(b.shown, i, n)
}

func (b *Inbox) markRead(ids []string, at *time.Time) {
	for i := range b.shown {
		if slices.Contains(ids, b.shown[i].ID) {
			b.shown[i].ReadAt = at
		}
	}
	b.remove(func(n client.Notification) bool { return b.options.Unread && n.ReadAt != nil })
}

func (b *Inbox) remove(gone func(client.Notification) bool) {
	b.shown = slices.DeleteFunc(b.shown, gone)
}

// Differences compares the list with the same list as [LoadWholeInbox] has loaded it again, and
// returns a line for each difference. What the list has not loaded is not compared, nor are the
// names and avatars of actors and the counts of likes.
func (b *Inbox) Differences(again *Inbox) (lines []string) {
	if b.Unread != again.Unread {
		lines = append(lines, fmt.Sprintf("unread: the page has %d, loaded again %d", b.Unread, again.Unread))
	}
	var got, want []string
	for _, n := range b.shown {
		got = append(got, text(comparedNotice(n)))
	}
	for _, n := range again.shown {
		if b.whole || numberOf(n.ID) >= b.end {
			want = append(want, text(comparedNotice(n)))
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			lines = append(lines, "notification: only the page has "+line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			lines = append(lines, "notification: only the list that was loaded again has "+line)
		}
	}
	if len(lines) == 0 && !slices.Equal(got, want) {
		lines = append(lines, fmt.Sprintf("notifications: the page has %v, loaded again %v", got, want))
	}
	return lines
}

// comparedNotice returns the notification without what is as of the newest event or load.
func comparedNotice(n client.Notification) client.Notification {
	n.Actor, n.Count = client.Author{ID: n.Actor.ID}, min(n.Count, 1)
	return n
}

// keyOf returns the post, comment and kind of a notification.
func keyOf(n client.Notification) [3]string {
	if n.CommentID == nil {
		return [3]string{n.Kind, n.PostID}
	}
	return [3]string{n.Kind, n.PostID, *n.CommentID}
}

// numberOf returns an id as a number, which the server gives.
func numberOf(id string) int64 {
	number, _ := strconv.ParseInt(id, 10, 64)
	return number
}
