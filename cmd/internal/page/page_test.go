package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// loaded returns a page with the roots 30 and 20, loaded as far as those. 20 has the replies 21 and
// 22 and more.
func loaded(t *testing.T, list List) *Page {
	t.Helper()
	list.Post = "p"
	p := &Page{list: list, user: "ann", shown: span{order: orderOf(list)}, known: make(map[string]*Comment)}
	root30, root20 := made("30", 30), made("20", 20)
	root30.Replies = &client.Replies{}
	root20.Replies = &client.Replies{Data: []client.Comment{reply("21", 21), reply("22", 22)}, Page: client.PageInfo{More: true, Next: "next"}}
	data := []client.Comment{root30, root20}
	if list.Sort == "oldest" {
		data = []client.Comment{root20, root30}
	}
	streamtest.Must(t, p.take(&p.shown, client.CommentList{Data: data, Page: client.PageInfo{More: true, Next: "next"}}))
	return p
}

// made returns a comment of a minute.
func made(id string, minute int) client.Comment {
	return client.Comment{ID: id, PostID: "p", Author: &client.Author{ID: "ben"}, Body: "text", Status: "published", CreatedAt: at(minute)}
}

func at(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }

// reply returns a reply to 20.
func reply(id string, minute int) client.Comment {
	c, parent := made(id, minute), "20"
	c.ParentID, c.RootID = &parent, &parent
	return c
}

// shown returns the page as text: the ids of roots with their replies, counts that are not 0, and marks
// for what is pinned (^), deleted (x), liked (+) or has to be read (?).
func shown(p *Page) string {
	var text []string
	for _, c := range p.shown.comments {
		one := mark(c)
		if c.below != nil && len(c.below.comments) > 0 {
			var replies []string
			for _, r := range c.below.comments {
				replies = append(replies, mark(r))
			}
			one += "(" + strings.Join(replies, " ") + ")"
		}
		text = append(text, one)
	}
	for _, id := range p.added {
		text = append(text, "?"+id)
	}
	return strings.Join(text, " ")
}

func mark(c *Comment) (text string) {
	text = c.ID
	for sign, is := range map[string]bool{"^": c.PinnedAt != nil, "x": c.Status == "deleted", "+": c.Liked} {
		if is {
			text += sign
		}
	}
	for _, n := range []struct {
		sign  string
		count int64
	}{{"l", c.LikeCount}, {"r", c.ReplyCount}, {"t", c.ThreadCount}} {
		if n.count != 0 {
			text += fmt.Sprint(n.sign, n.count)
		}
	}
	return text
}

func TestPage_AppliesEvents(t *testing.T) {
	t.Parallel()
	const of = `"postId":"p","status":"published","author":{"id":"ben"},"createdAt":"2026-01-02T03:`
	const inThread = of + `25:00Z","parentId":"20","rootId":"20","thread":{"parentReplyCount":3,"threadCount":4}`
	for name, tt := range map[string]struct {
		list        List
		event, data string
		want        string
	}{
		"Adds":                  {List{}, "new-comment", `{"id":"25",` + of + `25:00Z"}`, "30 25 20(21 22)"},
		"AddsInOrder":           {List{Sort: "oldest"}, "new-comment", `{"id":"25",` + of + `25:00Z"}`, "20(21 22) 25 30"},
		"AddsByIDAtTheSameTime": {List{}, "new-comment", `{"id":"31",` + of + `30:00Z"}`, "31 30 20(21 22)"},
		"LeavesOutOfRange":      {List{}, "new-comment", `{"id":"19",` + of + `19:00Z"}`, "30 20(21 22)"},
		"LeavesOutOfRangeOldest": {List{Sort: "oldest"}, "new-comment", `{"id":"31",` + of + `31:00Z"}`,
			"20(21 22) 30"},
		"AddsPinned": {List{}, "comment-updated", `{"id":"19","pinnedAt":"2026-01-02T04:00:00Z","threadCount":1,` + of + `19:00Z"}`, "19^t1 30 20(21 22) ?19"},
		"AsksForLiked": {List{}, "new-comment", `{"id":"25","likeCount":1,` + of + `25:00Z"}`,
			"30 25l1 20(21 22) ?25"},
		"AddsNoneToTop": {List{Sort: "top"}, "new-comment", `{"id":"25",` + of + `25:00Z"}`, "30 20(21 22)"},
		"MovesNoneInTop": {List{Sort: "top"}, "comment-updated", `{"id":"20","pinnedAt":"2026-01-02T04:00:00Z",` + of + `20:00Z"}`,
			"30 20^(21 22)"},
		"Moves":               {List{}, "comment-updated", `{"id":"20",` + of + `35:00Z"}`, "20(21 22) 30"},
		"MovesPinned":         {List{}, "comment-updated", `{"id":"20","pinnedAt":"2026-01-02T04:00:00Z",` + of + `20:00Z"}`, "20^(21 22) 30"},
		"MovesOutOfRange":     {List{}, "comment-updated", `{"id":"20",` + of + `10:00Z"}`, "30"},
		"IgnoresUnknownStub":  {List{}, "new-comment", `{"id":"25","postId":"p","status":"deleted","createdAt":"2026-01-02T03:25:00Z"}`, "30 20(21 22)"},
		"ReplacesByStub":      {List{}, "comment-updated", `{"id":"30","postId":"p","status":"deleted","createdAt":"2026-01-02T03:30:00Z"}`, "30x 20(21 22)"},
		"LeavesReplyOutside":  {List{}, "new-comment", `{"id":"25",` + inThread + `}`, "30 20r3t4(21 22)"},
		"AddsReplyInside":     {List{}, "new-comment", `{"id":"211",` + strings.Replace(inThread, "25:00", "21:30", 1) + `}`, "30 20r3t4(21 211 22)"},
		"RemovesReply":        {List{}, "comment-deleted", `{"id":"21","parentId":"20","rootId":"20","thread":{"parentReplyCount":1,"threadCount":2},"tombstone":null}`, "30 20r1t2(22)"},
		"RemovesRoot":         {List{}, "comment-deleted", `{"id":"20","tombstone":null}`, "30"},
		"ReplacesByTombstone": {List{}, "comment-deleted", `{"id":"20","tombstone":{"id":"20","status":"deleted","threadCount":2,"createdAt":"2026-01-02T03:20:00Z"}}`, "30 20xt2(21 22)"},
		"AddsTombstone":       {List{}, "comment-deleted", `{"id":"25","tombstone":{"id":"25","status":"deleted","threadCount":2,"createdAt":"2026-01-02T03:25:00Z"}}`, "30 25xt2 20(21 22) ?25"},
		"CountsLikes":         {List{}, "like-update", `{"postId":"p","commentId":"22","count":3}`, "30 20(21 22l3)"},
		"KnowsWhatIsLiked":    {List{}, "liked", `{"postId":"p","commentId":"22","liked":true}`, "30 20(21 22+)"},
		"KnowsTheTopic":       {List{}, "liked", `{"postId":"q","commentId":"22","liked":true}`, "30 20(21 22)"},
		"ClearsThePost":       {List{}, "post-deleted", `{"postId":"p"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := loaded(t, tt.list)
			topic := "post:p"
			if tt.event == "liked" {
				topic = "user:ann"
			}
			streamtest.Must(t, p.Apply(client.Event{Name: tt.event, Topic: topic, Data: []byte(tt.data)}))
			streamtest.Want(t, "the page", shown(p), tt.want)
		})
	}
}

// A tombstone is not liked. When the comment is published again, the page asks.
func TestPage_KnowsWhatIsLikedAfterATombstone(t *testing.T) {
	t.Parallel()
	p := loaded(t, List{})
	for _, e := range []struct{ name, topic, data, want string }{
		{"liked", "user:ann", `{"postId":"p","commentId":"30","liked":true}`, "30+ 20(21 22)"},
		{"comment-deleted", "post:p", `{"id":"30","tombstone":{"id":"30","status":"deleted","likeCount":1,"createdAt":"2026-01-02T03:30:00Z"}}`, "30xl1 20(21 22)"},
		{"liked", "user:ann", `{"postId":"p","commentId":"30","liked":true}`, "30xl1 20(21 22)"},
		{"new-comment", "post:p", `{"id":"30","status":"published","likeCount":1,"createdAt":"2026-01-02T03:30:00Z"}`, "30l1 20(21 22) ?30"},
	} {
		streamtest.Must(t, p.Apply(client.Event{Name: e.name, Topic: e.topic, Data: []byte(e.data)}))
		streamtest.Want(t, "the page after "+e.name, shown(p), e.want)
	}
}

func TestPage_AppliesEventsOfThePost(t *testing.T) {
	t.Parallel()
	p := loaded(t, List{})
	for _, e := range []struct{ name, topic, data string }{
		{"comment-count", "post:p", `{"postId":"p","count":7}`},
		{"like-update", "post:p", `{"postId":"p","count":8}`},
		{"liked", "user:ann", `{"postId":"p","liked":true}`},
		{"post-updated", "post:p", `{"id":"p","title":"T","url":null,"authorId":"ann","locked":true,"commentCount":7,"likeCount":8}`},
		{"comment-count", "post:q", `{"postId":"q","count":9}`},
		{"liked", "user:ben", `{"postId":"p","liked":false}`},
	} {
		streamtest.Must(t, p.Apply(client.Event{Name: e.name, Topic: e.topic, Data: []byte(e.data)}))
	}
	streamtest.Want(t, "the post", p.Post, client.ListedPost{ID: "p", Title: "T", Locked: true, CommentCount: 7, LikeCount: 8, Liked: true})
	streamtest.Must(t, p.Apply(client.Event{Name: "post-deleted", Topic: "post:p", Data: []byte(`{"postId":"p"}`)}))
	streamtest.Want(t, "the deleted post", p.Post, client.ListedPost{ID: "p"})
	streamtest.Want(t, "more", p.More(), false)
	if p.Apply(client.Event{Name: "new-comment", Topic: "post:p", Data: []byte(`[]`)}) == nil {
		t.Error("unreadable data is no error")
	}
}

// A difference in each part of a page is found, and what the page has not loaded is none.
func TestPage_FindsDifferences(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct {
		of    func(again *Page)
		lines int
	}{
		"None":               {func(*Page) {}, 0},
		"OlderRoot":          {func(p *Page) { p.shown.whole = true; p.put(made("10", 10)) }, 0},
		"LaterReply":         {func(p *Page) { p.known["20"].below.whole = true; p.put(reply("40", 40)) }, 0},
		"NameOfAuthor":       {func(p *Page) { p.known["22"].Author.Name = "Ben" }, 0},
		"Post":               {func(p *Page) { p.Post.Locked = true }, 1},
		"Root":               {func(p *Page) { p.put(made("25", 25)) }, 1},
		"MissingRoot":        {func(p *Page) { p.remove(p.known["30"]) }, 1},
		"Reply":              {func(p *Page) { p.put(reply("211", 21)) }, 1},
		"MissingReply":       {func(p *Page) { p.remove(p.known["22"]) }, 1},
		"FieldOfRoot":        {func(p *Page) { p.known["30"].LikeCount++ }, 1},
		"FieldOfReply":       {func(p *Page) { p.known["21"].Body = "other" }, 1},
		"Author":             {func(p *Page) { p.known["22"].Author.ID = "cat" }, 1},
		"PlaceAndItsComment": {func(p *Page) { p.put(made("20", 40)) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, again := loaded(t, List{}), loaded(t, List{})
			change.of(again)
			if lines := p.Differences(again); len(lines) != change.lines {
				t.Errorf("got %d lines: %q", len(lines), lines)
			}
		})
	}
}
