package main

import (
	"testing"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// PutPost keeps what is absent, clears what is null, and sets what has a value.
func TestPutPost_KeepsClearsAndSets(t *testing.T) {
	t.Parallel()
	ctx := patient(t)
	site := newSite(t).start(t).as(t, "site", "service")
	put := func(in client.PostInput) client.Post {
		post, err := site.PutPost(ctx, "p", in)
		streamtest.Must(t, err)
		return post
	}
	put(client.PostInput{Title: client.Value("T"), URL: client.Value("https://e.example/p"), AuthorID: client.Value("ann"), Locked: client.Value(true)})
	got := put(client.PostInput{URL: client.Null[string]()})
	streamtest.Want(t, "title, url, author, locked", []any{got.Title, got.URL, got.AuthorID, got.Locked}, []any{"T", "", "ann", true})
	got = put(client.PostInput{AuthorID: client.Null[string](), Locked: client.Null[bool]()})
	streamtest.Want(t, "title, url, author, locked", []any{got.Title, got.URL, got.AuthorID, got.Locked}, []any{"T", "", "", false})
	got = put(client.PostInput{Title: client.Value("U"), Locked: client.Value(false)})
	streamtest.Want(t, "title and locked", []any{got.Title, got.Locked}, []any{"U", false})
}

// The client tells its caller as whom it reads.
func TestClient_TellsTheUser(t *testing.T) {
	t.Parallel()
	ctx := patient(t)
	srv := newSite(t).start(t)
	for want, c := range map[string]*client.Client{"": srv.Client, "ann": srv.as(t, "ann")} {
		x := sse(t, c, "now", "post:p")
		streamtest.Want(t, "the user of stream.ready", decode[client.Ready](t, x.await(t, "the start", named("stream.ready"))).User, want)
		page, err := c.Poll(ctx, []string{"post:p"}, "now", 0, 0)
		streamtest.Must(t, err)
		streamtest.Want(t, "the user of a poll", page.User, want)
		list, err := c.Comments(ctx, "p", client.ListOptions{})
		streamtest.Must(t, err)
		streamtest.Want(t, "the user of a list", list.User, want)
	}
}
