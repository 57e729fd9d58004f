package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The tombstone in an event is the element of the list, and a list has every tombstone up to
// the root of a thread, or none.
func TestTombstoneIsAsListsShowIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t, s.concurrent)
	ann := srv.as(t, "ann")
	root := comment(t, ann, "42", "root")
	s.exec(t, `insert into tidings.likes (post_id, comment_id, user_id) values ('42', $1, 'ben')`, root.ID)
	reply, err := ann.CreateComment(t.Context(), "42", client.NewComment{Body: "reply", ParentID: &root.ID})
	streamtest.Must(t, err)
	leaf, err := ann.CreateComment(t.Context(), "42", client.NewComment{Body: "leaf", ParentID: &reply.ID})
	streamtest.Must(t, err)
	tap := sse(t, srv.Client, "now", "post:42")
	tap.await(t, "the start", named("stream.ready"))

	next := func() (tombstone client.Comment, id string) {
		t.Helper()
		e := tap.await(t, "a deletion", named("comment-deleted"))
		var data struct {
			ID        string
			Tombstone *client.Comment
		}
		streamtest.Must(t, json.Unmarshal(e.Data, &data))
		if data.Tombstone == nil {
			return client.Comment{}, data.ID
		}
		return *data.Tombstone, data.ID
	}
	list := func() (comments []client.Comment, ids string) {
		t.Helper()
		page, err := srv.Comments(t.Context(), "42", client.ListOptions{Sort: "oldest", Flat: true})
		streamtest.Must(t, err)
		var all []string
		for _, c := range page.Data {
			all = append(all, c.ID+" "+c.Status)
		}
		return page.Data, strings.Join(all, ", ")
	}

	s.exec(t, `update tidings.comments set body = 'edited' where id = $1`, root.ID)
	s.exec(t, `update tidings.comments set status = 'pending' where id = $1`, root.ID)
	gone, _ := next()
	comments, _ := list()
	streamtest.Want(t, "the tombstone of the root", gone, comments[0])

	streamtest.Must(t, ann.DeleteComment(t.Context(), reply.ID))
	gone, _ = next()
	comments, ids := list()
	streamtest.Want(t, "the tombstone of the reply", gone, comments[1])
	streamtest.Want(t, "the list", ids, root.ID+" deleted, "+reply.ID+" deleted, "+leaf.ID+" published")

	streamtest.Must(t, ann.DeleteComment(t.Context(), leaf.ID))
	for _, want := range []string{leaf.ID, reply.ID, root.ID} {
		gone, id := next()
		streamtest.Want(t, "the comment that goes", id, want)
		streamtest.Want(t, "its tombstone", gone, client.Comment{})
	}
	_, ids = list()
	streamtest.Want(t, "the list", ids, "")
}
