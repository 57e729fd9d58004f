package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A clientSite is a running server with clients of the users that clientCalls uses.
type clientSite struct {
	*server
	ann, ben, service, moderator *client.Client
}

// clientCalls has one call of every method of the Go client. Each checks the answer
// that the real server gives.
var clientCalls = map[string]func(t *testing.T, ctx context.Context, s clientSite){
	"As": func(t *testing.T, ctx context.Context, s clientSite) {
		_, err := s.ann.As("").Notifications(ctx, client.NotificationOptions{})
		wantProblem(t, err, http.StatusUnauthorized, "unauthenticated")
	},
	"IfVersion": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "versions")
		for name, change := range map[string]func(c *client.Client, id string) error{
			"EditComment":   func(c *client.Client, id string) error { _, err := c.EditComment(ctx, id, "two", 0); return err },
			"SetStatus":     func(c *client.Client, id string) error { _, err := c.SetStatus(ctx, id, "spam"); return err },
			"PinComment":    func(c *client.Client, id string) error { _, err := c.PinComment(ctx, id); return err },
			"UnpinComment":  func(c *client.Client, id string) error { _, err := c.UnpinComment(ctx, id); return err },
			"DeleteComment": func(c *client.Client, id string) error { return c.DeleteComment(ctx, id) },
		} {
			one := comment(t, s.ann, post.ID, name)
			if name == "UnpinComment" {
				var err error
				one, err = s.moderator.PinComment(ctx, one.ID)
				streamtest.Must(t, err)
			}
			wantProblem(t, change(s.moderator.IfVersion(one.Version+1), one.ID), http.StatusPreconditionFailed, "version_mismatch")
			streamtest.Must(t, change(s.moderator.IfVersion(one.Version), one.ID))
		}
	},
	"CloseIdleConnections": func(t *testing.T, ctx context.Context, s clientSite) {
		s.ann.CloseIdleConnections()
		_, err := s.ann.Counts(ctx, "a")
		streamtest.Must(t, err)
	},
	"PutPost": func(t *testing.T, ctx context.Context, s clientSite) {
		put := putPost(t, ctx, s, "put post")
		got, err := s.Post(ctx, put.ID)
		streamtest.Must(t, err)
		streamtest.Want(t, "the post", got, put)
	},
	"Post": func(t *testing.T, ctx context.Context, s clientSite) {
		_, err := s.Post(ctx, "unknown")
		wantProblem(t, err, http.StatusNotFound, "not_found")
	},
	"CreateComment": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "create comment")
		in := client.NewComment{Body: "Hello", IdempotencyKey: "one"}
		first, err := s.ben.CreateComment(ctx, post.ID, in)
		streamtest.Must(t, err)
		again, err := s.ben.CreateComment(ctx, post.ID, in)
		streamtest.Must(t, err)
		streamtest.Want(t, "the comment of the same key", again, first)
		reply, err := s.ann.CreateComment(ctx, post.ID, client.NewComment{Body: "Hi", ParentID: &first.ID})
		streamtest.Must(t, err)
		streamtest.Want(t, "the parent", *reply.ParentID, first.ID)
		streamtest.Want(t, "the author", *reply.Author, client.Author{ID: "ann", Name: "The ann"})
	},
	"Comments": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "comments")
		one, two := comment(t, s.ann, post.ID, "one"), comment(t, s.ann, post.ID, "two")
		first, err := s.Comments(ctx, post.ID, client.ListOptions{Sort: "oldest", Flat: true, Limit: 1})
		streamtest.Must(t, err)
		streamtest.Want(t, "the first page", first.Data, []client.Comment{one})
		streamtest.Want(t, "the post", first.Post, client.ListedPost{ID: post.ID, Title: post.Title, URL: post.URL, CommentCount: 2})
		second, err := s.Comments(ctx, post.ID, client.ListOptions{Sort: "oldest", Flat: true, Limit: 1, After: first.Page.Next})
		streamtest.Must(t, err)
		streamtest.Want(t, "the second page", second.Data, []client.Comment{two})
		streamtest.Want(t, "its end", second.Page, client.PageInfo{})
	},
	"Comment": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "comment")
		one := comment(t, s.ann, post.ID, "one")
		got, err := s.Comment(ctx, one.ID)
		streamtest.Must(t, err)
		streamtest.Want(t, "the comment", got, one)
	},
	"Replies": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "replies")
		root := comment(t, s.ann, post.ID, "root")
		var replies []string
		for range 4 {
			reply, err := s.ann.CreateComment(ctx, post.ID, client.NewComment{Body: "reply", ParentID: &root.ID})
			streamtest.Must(t, err)
			replies = append(replies, reply.ID)
		}
		list, err := s.Comments(ctx, post.ID, client.ListOptions{})
		streamtest.Must(t, err)
		listed := list.Data[0]
		streamtest.Want(t, "the counts", []int64{listed.ReplyCount, listed.ThreadCount, int64(len(listed.Replies.Data))}, []int64{4, 4, 3})
		rest, err := s.Replies(ctx, root.ID, client.ListOptions{After: listed.Replies.Page.Next})
		streamtest.Must(t, err)
		streamtest.Want(t, "the other replies", len(rest.Data), 1)
		streamtest.Want(t, "the last reply", rest.Data[0].ID, replies[3])
	},
	"EditComment": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "edit comment")
		one := comment(t, s.ann, post.ID, "one")
		two, err := s.ann.EditComment(ctx, one.ID, "two", one.Version)
		streamtest.Must(t, err)
		streamtest.Want(t, "the text", two.Body, "two")
		_, err = s.ann.EditComment(ctx, one.ID, "three", one.Version)
		wantProblem(t, err, http.StatusPreconditionFailed, "version_mismatch")
	},
	"SetStatus": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "set status")
		one := comment(t, s.ann, post.ID, "one")
		held, err := s.moderator.SetStatus(ctx, one.ID, "spam")
		streamtest.Must(t, err)
		streamtest.Want(t, "the status", held.Status, "spam")
		_, err = s.ann.SetStatus(ctx, one.ID, "published")
		wantProblem(t, err, http.StatusForbidden, "forbidden")
	},
	"PinComment": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "pin comment")
		pinned, err := s.moderator.PinComment(ctx, comment(t, s.ann, post.ID, "one").ID)
		streamtest.Must(t, err)
		streamtest.Want(t, "it is pinned", pinned.PinnedAt != nil, true)
	},
	"UnpinComment": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "unpin comment")
		one := comment(t, s.ann, post.ID, "one")
		_, err := s.moderator.PinComment(ctx, one.ID)
		streamtest.Must(t, err)
		unpinned, err := s.moderator.UnpinComment(ctx, one.ID)
		streamtest.Must(t, err)
		streamtest.Want(t, "it is pinned", unpinned.PinnedAt != nil, false)
	},
	"Revisions": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "revisions")
		one := comment(t, s.ann, post.ID, "one")
		_, err := s.ann.EditComment(ctx, one.ID, "two", 0)
		streamtest.Must(t, err)
		list, err := s.moderator.Revisions(ctx, one.ID, client.ListOptions{})
		streamtest.Must(t, err)
		streamtest.Want(t, "the number of revisions", len(list.Data), 1)
		streamtest.Want(t, "the text before", list.Data[0].Body, "one")
	},
	"Moderation": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "moderation")
		one := comment(t, s.ann, post.ID, "one")
		_, err := s.moderator.SetStatus(ctx, one.ID, "pending")
		streamtest.Must(t, err)
		list, err := s.moderator.Moderation(ctx, client.ModerationOptions{})
		streamtest.Must(t, err)
		streamtest.Want(t, "the queue", []string{list.Data[len(list.Data)-1].ID, list.Data[len(list.Data)-1].Body}, []string{one.ID, "one"})
	},
	"DeleteComment": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "delete comment")
		created := comment(t, s.ann, post.ID, "not for long")
		wantProblem(t, s.ben.DeleteComment(ctx, created.ID), http.StatusForbidden, "forbidden")
		streamtest.Must(t, s.ann.DeleteComment(ctx, created.ID))
		list, err := s.Comments(ctx, post.ID, client.ListOptions{})
		streamtest.Must(t, err)
		streamtest.Want(t, "the number of comments", len(list.Data), 0)
	},
	"LikePost": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "like post")
		likes, err := s.ben.LikePost(ctx, post.ID)
		streamtest.Must(t, err)
		streamtest.Want(t, "the likes", likes, client.Likes{Count: 1, Liked: true})
	},
	"UnlikePost": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "unlike post")
		_, err := s.ben.LikePost(ctx, post.ID)
		streamtest.Must(t, err)
		likes, err := s.ben.UnlikePost(ctx, post.ID)
		streamtest.Must(t, err)
		streamtest.Want(t, "the likes", likes, client.Likes{})
	},
	"LikeComment": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "like comment")
		id := comment(t, s.ann, post.ID, "likeable").ID
		for range 2 {
			likes, err := s.ben.LikeComment(ctx, id)
			streamtest.Must(t, err)
			streamtest.Want(t, "the likes", likes, client.Likes{Count: 1, Liked: true})
		}
		list, err := s.ben.Comments(ctx, post.ID, client.ListOptions{})
		streamtest.Must(t, err)
		streamtest.Want(t, "the likes in the list", client.Likes{Count: list.Data[0].LikeCount, Liked: list.Data[0].Liked}, client.Likes{Count: 1, Liked: true})
		_, err = s.ben.LikeComment(ctx, "999999999")
		wantProblem(t, err, http.StatusNotFound, "not_found")
	},
	"UnlikeComment": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "unlike comment")
		id := comment(t, s.ann, post.ID, "likeable").ID
		_, err := s.ben.LikeComment(ctx, id)
		streamtest.Must(t, err)
		for range 2 {
			likes, err := s.ben.UnlikeComment(ctx, id)
			streamtest.Must(t, err)
			streamtest.Want(t, "the likes", likes, client.Likes{})
		}
	},
	"Counts": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "counts")
		comment(t, s.ben, post.ID, "one")
		counts, err := s.Counts(ctx, post.ID, "unknown")
		streamtest.Must(t, err)
		streamtest.Want(t, "the counts", counts, map[string]client.Counts{post.ID: {Comments: 1}, "unknown": {}})
	},
	"Notifications": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "notifications")
		created := comment(t, s.ben, post.ID, "for ann")
		list, err := s.ann.Notifications(ctx, client.NotificationOptions{Unread: true, Limit: 1})
		streamtest.Must(t, err)
		streamtest.Want(t, "the number of notifications", len(list.Data), 1)
		got := list.Data[0]
		streamtest.Want(t, "the kind", got.Kind, "comment")
		streamtest.Want(t, "the comment", *got.CommentID, created.ID)
		streamtest.Want(t, "the actor", got.Actor, client.Author{ID: "ben", Name: "The ben"})
	},
	"MarkRead": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "mark read")
		comment(t, s.ben, post.ID, "one")
		comment(t, s.ben, post.ID, "two")
		_, err := s.ben.LikePost(ctx, post.ID)
		streamtest.Must(t, err)
		before, err := s.ann.Notifications(ctx, client.NotificationOptions{Unread: true, Limit: 3})
		streamtest.Must(t, err)
		streamtest.Want(t, "the likes", before.Data[0].Count, 1)
		unread, err := s.ann.MarkRead(ctx, before.Data[0].ID, before.Data[1].ID)
		streamtest.Must(t, err)
		streamtest.Want(t, "unread", unread, before.Unread-2)
		after, err := s.ann.Notifications(ctx, client.NotificationOptions{Unread: true, Limit: 1})
		streamtest.Must(t, err)
		streamtest.Want(t, "the newest unread one", after.Data[0].ID, before.Data[2].ID)
		_, err = s.ann.MarkRead(ctx, "x")
		wantProblem(t, err, http.StatusUnprocessableEntity, "invalid")
		_, err = s.ann.MarkRead(ctx)
		streamtest.Must(t, err)
	},
	"MarkAllRead": func(t *testing.T, ctx context.Context, s clientSite) {
		zoe := s.as(t, "zoe")
		comment(t, zoe, "mark-all-read", "by zoe")
		_, err := s.ben.CreateComment(ctx, "mark-all-read", client.NewComment{Body: "for zoe", Mentions: []string{"zoe"}})
		streamtest.Must(t, err)
		list, err := zoe.Notifications(ctx, client.NotificationOptions{})
		streamtest.Must(t, err)
		streamtest.Want(t, "the kind", list.Data[0].Kind, "mention")
		unread, err := zoe.MarkAllRead(ctx)
		streamtest.Must(t, err)
		streamtest.Want(t, "unread", unread, 0)
	},
	"Typing": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "typing")
		reader, err := s.Stream(ctx, []string{"post:" + post.ID}, "")
		streamtest.Must(t, err)
		defer reader.Close()
		nextNamed(t, reader, "stream.ready")
		streamtest.Must(t, s.ben.Typing(ctx, post.ID))
		state := decode[struct{ Count int }](t, nextNamed(t, reader, "typing"))
		streamtest.Want(t, "the number of users who type", state.Count, 1)
	},
	"Publish": func(t *testing.T, ctx context.Context, s clientSite) {
		streamtest.Must(t, s.service.Publish(ctx, "post:publish", "price.changed", json.RawMessage(`{"price":1}`)))
		page, err := s.Poll(ctx, []string{"post:publish"}, "earliest", longPoll, 0) // the event may not be in memory yet
		streamtest.Must(t, err)
		streamtest.Want(t, "the event", string(page.Events[0].Data), `{"price":1}`)
		err = s.ann.Publish(ctx, "post:publish", "price.changed", 1)
		wantProblem(t, err, http.StatusForbidden, "forbidden")
	},
	"Presence": func(t *testing.T, ctx context.Context, s clientSite) {
		reader, err := s.ann.Stream(ctx, []string{"post:presence"}, "", client.WithPresence())
		streamtest.Must(t, err)
		defer reader.Close()
		event := decode[client.Presence](t, nextNamed(t, reader, "presence"))
		got, err := s.Presence(ctx, "presence")
		streamtest.Must(t, err)
		want := client.Presence{PostID: "presence", Viewers: 1, Users: []client.Viewer{{ID: "ann", Name: "The ann"}}}
		streamtest.Want(t, "the answer", got, want)
		streamtest.Want(t, "the event", event, want)
	},
	"Signal": func(t *testing.T, ctx context.Context, s clientSite) {
		reader, err := s.Stream(ctx, []string{"post:signal"}, "")
		streamtest.Must(t, err)
		defer reader.Close()
		nextNamed(t, reader, "stream.ready")
		streamtest.Must(t, s.service.Signal(ctx, "post:signal", "cursor.moved", json.RawMessage(`{"x":1}`)))
		event := nextNamed(t, reader, "cursor.moved")
		streamtest.Want(t, "the data", string(event.Data), `{"x":1}`)
		streamtest.Want(t, "the id", event.ID, "")
		err = s.ann.Signal(ctx, "post:signal", "cursor.moved", 1)
		wantProblem(t, err, http.StatusForbidden, "forbidden")
	},
	"Connection": func(t *testing.T, ctx context.Context, s clientSite) {
		seen, err := s.service.Connection(ctx)
		streamtest.Must(t, err)
		streamtest.Want(t, "the host", "http://"+seen.Host, s.url)
		streamtest.Want(t, "the address", seen.Address, "127.0.0.1")
	},
	"Ticket": func(t *testing.T, ctx context.Context, s clientSite) {
		topics := []string{"me"}
		ticket, err := s.ann.Ticket(ctx, topics)
		streamtest.Must(t, err)
		open := func() (*client.Stream, error) {
			return s.Stream(ctx, topics, "", client.WithParam("ticket", ticket.Ticket))
		}
		reader, err := open()
		streamtest.Must(t, err)
		defer reader.Close()
		nextNamed(t, reader, "stream.ready")
		_, err = open()
		wantProblem(t, err, http.StatusUnauthorized, "invalid_ticket")
	},
	"Stream": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "stream")
		reader, err := s.Stream(ctx, []string{"post:" + post.ID}, "earliest",
			client.WithLastEventID(), client.WithSilenceLimit(patience), client.WithMaxBlock(1<<20))
		streamtest.Must(t, err)
		created := comment(t, s.ben, post.ID, "over a stream")
		event := nextNamed(t, reader, "new-comment")
		streamtest.Want(t, "the comment", decode[client.Comment](t, event), created)
		streamtest.Want(t, "the cursor", reader.Cursor(), event.ID)
		if reader.Retry() <= 0 {
			t.Error("the stream has no reconnection time")
		}
		streamtest.Must(t, reader.Close())
		for err = nil; err == nil; _, err = reader.Next() { // events that were read before come first
		}
		streamtest.WantErr(t, err, net.ErrClosed)
	},
	"Poll": func(t *testing.T, ctx context.Context, s clientSite) {
		post := putPost(t, ctx, s, "poll")
		created := comment(t, s.ben, post.ID, "over a poll")
		page, err := s.Poll(ctx, []string{"post:" + post.ID}, "earliest", -1, 1)
		streamtest.Must(t, err)
		streamtest.Want(t, "the first event", page.Events[0].Name, "post-updated")
		page, err = s.Poll(ctx, []string{"post:" + post.ID}, page.Cursor, -1, 1)
		streamtest.Must(t, err)
		streamtest.Want(t, "the comment", decode[client.Comment](t, page.Events[0]), created)
		streamtest.Want(t, "the cursor", page.Cursor, page.Events[0].ID)
		streamtest.Want(t, "more", page.More, true) // the comment-count
	},
	"Follow": func(t *testing.T, ctx context.Context, s clientSite) {
		follow(t, ctx, s, "follow", s.Follow)
	},
	"FollowPoll": func(t *testing.T, ctx context.Context, s clientSite) {
		follow(t, ctx, s, "follow-poll", s.FollowPoll)
	},
}

// Every method of the Go client works with the real server. A method without a call in
// clientCalls fails the test.
func TestEveryClientMethodWorksWithTheServer(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t)
	s := clientSite{srv, srv.as(t, "ann"), srv.as(t, "ben"), srv.as(t, "backend", "service"), srv.as(t, "mia", "moderator")}
	methods := reflect.TypeFor[*client.Client]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		call, ok := clientCalls[name]
		if !ok {
			t.Errorf("clientCalls has no call of %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) { call(t, patient(t), s) })
	}
}

// The Location of a new comment is an address of that comment.
func TestLocationOfACommentIsItsAddress(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t)
	send := func(method, url, body string) *http.Response {
		r, err := http.NewRequestWithContext(patient(t), method, url, strings.NewReader(body))
		streamtest.Must(t, err)
		r.Header.Set("Authorization", "Bearer "+token(t, auth.Identity{Subject: "ann", Expires: time.Now().Add(time.Hour)}))
		r.Header.Set("Content-Type", "application/json")
		answer, err := srv.http.Do(r)
		streamtest.Must(t, err)
		t.Cleanup(func() { answer.Body.Close() })
		return answer
	}
	created := send(http.MethodPost, srv.url+"/v1/posts/a/comments", `{"body":"Hello"}`)
	at, err := created.Location()
	streamtest.Must(t, err)
	streamtest.Want(t, "the status of DELETE", send(http.MethodDelete, at.String(), "").StatusCode, http.StatusNoContent)
	list, err := srv.Comments(patient(t), "a", client.ListOptions{})
	streamtest.Must(t, err)
	streamtest.Want(t, "the number of comments", len(list.Data), 0)
}

// putPost creates a post of Ann's that belongs to one call.
func putPost(t *testing.T, ctx context.Context, s clientSite, title string) client.Post {
	t.Helper()
	id := "/" + strings.ReplaceAll(title, " ", "-") + "/" // with slashes, to test the encoding of the path
	put, err := s.service.PutPost(ctx, id, client.PostInput{Title: client.Value(title), AuthorID: client.Value("ann")})
	streamtest.Must(t, err)
	streamtest.Want(t, "the id of the post", put.ID, id)
	return put
}

// nextNamed skips events until one has the name.
func nextNamed(t *testing.T, s *client.Stream, name string) client.Event {
	t.Helper()
	for {
		event, err := s.Next()
		streamtest.Must(t, err)
		if event.Name == name {
			return event
		}
	}
}

// A followFunc is Client.Follow or Client.FollowPoll.
type followFunc func(ctx context.Context, topics []string, cursor string, fn func(client.Event) error, opts ...client.StreamOption) error

// follow wants two comments in order, and then the error of the callback.
func follow(t *testing.T, ctx context.Context, s clientSite, title string, call followFunc) {
	t.Helper()
	post := putPost(t, ctx, s, title)
	want := []string{comment(t, s.ben, post.ID, "one").ID, comment(t, s.ben, post.ID, "two").ID}
	var got []string
	done := errors.New("done")
	err := call(ctx, []string{"post:" + post.ID}, "earliest", func(ev client.Event) error {
		if ev.Name == "new-comment" {
			got = append(got, decode[client.Comment](t, ev).ID)
		}
		if len(got) == len(want) {
			return done
		}
		return nil
	}, client.WithRetryFunc(func(err error, _ time.Duration) { t.Errorf("retry after %v", err) }))
	streamtest.WantErr(t, err, done)
	streamtest.Want(t, "the comments", got, want)
}
