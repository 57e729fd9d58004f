package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// check is the end of each test of a hosted database. Writers use each part of the API and
// of the SQL. Then a stream and a poll of each instance have each event once and in order,
// events add up to the lists, and no counter is wrong.
func (h *hosted) check(t *testing.T, servers ...*server) {
	t.Helper()
	h.checks++
	post := fmt.Sprint("check-", h.checks)
	topics := []string{"post:" + post, "user:ann"}
	var taps []*tap
	for n, srv := range servers {
		for name, open := range transports {
			x := open(t, srv.as(t, "ann"), "now", topics...)
			x.name = fmt.Sprintf("%s at instance %d", name, n+1)
			taps = append(taps, x)
		}
	}
	h.discuss(t, servers[0], servers[len(servers)-1], post)
	h.end(t, topics[0])
	h.wantSame(t, taps, topics)
	for _, srv := range servers {
		h.wantLists(t, srv, post)
	}
	h.wantCounts(t)
}

// wantSame reads the taps up to theEnd. What they have got must be the log since they began.
func (h *hosted) wantSame(t *testing.T, taps []*tap, topics []string) {
	t.Helper()
	log := withoutTexts(h.logged(t, topics...))
	for _, x := range taps {
		got := withoutTexts(x.rest(t))
		if len(got) == 0 {
			t.Fatalf("%s got nothing", x.name)
		}
		if err := compare(got, since(t, log, cursorOf(t, got[0].ID).Position-1), x.exact); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// withoutTexts returns the events without the data that the log shows as it is now.
func withoutTexts(events []client.Event) []client.Event {
	events = slices.Clone(events)
	for i := range events {
		switch events[i].Name {
		case "new-comment", "comment-updated", "notification":
			events[i].Data = nil
		}
	}
	return events
}

// wantCounts checks that no counter is wrong.
func (h *hosted) wantCounts(t *testing.T) {
	t.Helper()
	streamtest.Want(t, "wrong counters", value[int](t, h.site, `select tidings.recount()`), 0)
}

// discuss writes about a post over HTTP at two instances, and with SQL.
func (h *hosted) discuss(t *testing.T, near, far *server, post string) {
	t.Helper()
	ctx, topic := patient(t), "post:"+post
	ann, ben, cat, shop := near.as(t, "ann"), far.as(t, "ben"), near.as(t, "cat"), far.as(t, "shop", "service")
	_, err := shop.PutPost(ctx, post, client.PostInput{Title: client.Value("Ein größerer Beitrag ✍"), AuthorID: client.Value("ann")})
	streamtest.Must(t, err)
	root := comment(t, ben, post, "5 € für 🎉")
	once := client.NewComment{Body: `a \reply\ 'quoted'`, ParentID: &root.ID, IdempotencyKey: "once-" + post}
	for range 2 {
		_, err = ann.CreateComment(ctx, post, once)
		streamtest.Must(t, err)
	}
	for _, c := range []*client.Client{ann, ben, cat} {
		_, err = c.LikePost(ctx, post)
		streamtest.Must(t, err)
	}
	_, err = ben.UnlikePost(ctx, post)
	streamtest.Must(t, err)
	streamtest.Must(t, ben.DeleteComment(ctx, comment(t, ben, post, "withdrawn at once").ID))
	streamtest.Must(t, ben.DeleteComment(ctx, root.ID)) // a tombstone above ann's reply
	streamtest.Must(t, shop.Publish(ctx, topic, "custom", map[string]any{"n": 1.5, "text": "мир"}))

	own := h.write(t, `insert into tidings.comments (post_id, author_id, body) values ($1, 'ann', 'café by SQL') returning id::text`, post)
	h.write(t, `insert into tidings.comments (post_id, parent_id, author_id, body) values ($1, $2, 'dan', 'a reply') returning ''`, post, own)
	gone := h.write(t, `insert into tidings.comments (post_id, author_id, body) values ($1, 'dan', 'not for long') returning id::text`, post)
	h.write(t, `insert into tidings.likes (post_id, comment_id, user_id) values ($1, $2, 'dan'), ($1, null, 'dan') returning ''`, post, own)
	h.write(t, `update tidings.comments set body = 'edited by SQL' where id = $1 returning ''`, own)
	h.write(t, `with gone as (delete from tidings.likes where post_id = $1 and user_id = 'dan' and comment_id is null returning 1) select count(*)::text from gone`, post)
	h.write(t, `update tidings.comments set status = 'spam' where id = $1 returning ''`, gone)
	h.write(t, `update tidings.comments set status = 'published' where id = $1 returning ''`, gone)
	h.write(t, `with gone as (delete from tidings.comments where id = $1 returning 1) select count(*)::text from gone`, gone)
	h.write(t, `with done as (update tidings.notifications set read_at = now() where user_id = 'ann' and kind = 'like' returning 1) select count(*)::text from done`)
	h.write(t, `select tidings.publish($1, 'custom', '{"by": "SQL"}')::text`, topic)
}

// A state is what the lists show, or what the events since the beginning add up to.
type state struct {
	Bodies        map[string]string // of the visible comments, by id
	Comments      int64
	Likes         int64
	Notifications []string // ids, sorted
	Unread        int64
}

// wantLists compares the lists of ann with all events since the first one of the log.
func (h *hosted) wantLists(t *testing.T, srv *server, post string) {
	t.Helper()
	ctx, ann := patient(t), srv.as(t, "ann")
	comments, err := ann.Comments(ctx, post, client.ListOptions{Flat: true, Limit: 100})
	streamtest.Must(t, err)
	notices, err := ann.Notifications(ctx, client.NotificationOptions{Limit: 100})
	streamtest.Must(t, err)
	listed := state{Bodies: make(map[string]string), Comments: comments.Post.CommentCount, Likes: comments.Post.LikeCount, Unread: notices.Unread}
	for _, c := range comments.Data {
		if c.Status == "published" {
			listed.Bodies[c.ID] = c.Body
		}
	}
	for _, n := range notices.Data {
		listed.Notifications = append(listed.Notifications, n.ID)
	}
	slices.Sort(listed.Notifications)
	for name, open := range transports {
		events := open(t, ann, "earliest", "post:"+post, "user:ann").rest(t)
		streamtest.Want(t, "what "+name+" adds up to", addUp(t, events, "post:"+post), listed)
	}
}

// addUp applies the events of a post and of a user to an empty state.
func addUp(t *testing.T, events []client.Event, topic string) state {
	t.Helper()
	s, told := state{Bodies: make(map[string]string)}, make(map[string]string) // by id: the target of likes
	for _, e := range events {
		var data struct {
			ID, Body, Status, Kind, PostID, CommentID string
			Count, Unread                             int64
			Withdrawn                                 []string
		}
		streamtest.Must(t, json.Unmarshal(e.Data, &data))
		switch e.Name {
		case "new-comment", "comment-updated":
			if s.Bodies[data.ID] = data.Body; data.Status == "deleted" { // it was removed since
				delete(s.Bodies, data.ID)
			}
		case "comment-deleted":
			delete(s.Bodies, data.ID)
		case "comment-count":
			s.Comments = data.Count
		case "like-update":
			if data.CommentID == "" {
				s.Likes = data.Count
			}
		case "notification":
			s.Unread = data.Unread
			target := ""
			if data.Kind == "like" { // one notification for all likes of a target
				target = data.PostID + " " + data.CommentID
				maps.DeleteFunc(told, func(_, other string) bool { return other == target })
			}
			if data.ID != "" {
				told[data.ID] = target
			}
			for _, id := range data.Withdrawn {
				delete(told, id)
			}
		}
	}
	s.Notifications = slices.Sorted(maps.Keys(told))
	return s
}
