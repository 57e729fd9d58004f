package main

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

const (
	authors = 4
	each    = 20 // comments of each author: one page holds all of them
	views   = 16
)

// A list and the events after its cursor have each comment once, whenever the list was
// read and at whichever instance.
func TestListThenListen_HasEachCommentOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t), s.start(t)
	ctx := patient(t)
	s.exec(t, `insert into tidings.posts (id) values ('a')`)

	written := make(chan string, authors*each)
	var writing, reading errgroup.Group
	for n, write := range []func(ctx context.Context, body string) error{
		commenter(one.as(t, "ann")), commenter(two.as(t, "ben")), s.inserter("cat"), s.inserter("dan"),
	} {
		writing.Go(func() error {
			for i := range each {
				body := fmt.Sprintf("%c%02d", 'a'+n, i)
				if err := write(ctx, body); err != nil {
					return err
				}
				written <- body
			}
			return nil
		})
	}
	seen := make([]view, views)
	var all []string
	for i := range seen {
		all = append(all, <-written, <-written) // the lists are spread over the time of the writing
		list, events := []*server{one, two}[i%2], []*server{one, two}[i/2%2]
		reading.Go(func() (err error) {
			seen[i], err = listThenListen(ctx, list.Client, events.Client)
			return err
		})
	}
	streamtest.Must(t, writing.Wait())
	s.end(t, "post:a")
	streamtest.Must(t, reading.Wait())

	close(written)
	for body := range written {
		all = append(all, body)
	}
	slices.Sort(all)
	for i, v := range seen {
		if got := slices.Sorted(slices.Values(slices.Concat(v.listed, v.received))); !slices.Equal(got, all) {
			t.Errorf("view %d: listed %v and then received %v", i, v.listed, v.received)
		}
		streamtest.Want(t, "the count of the list", v.counted, len(v.listed))
	}
}

// commenter returns a function that comments over HTTP.
func commenter(c *client.Client) func(context.Context, string) error {
	return func(ctx context.Context, body string) error {
		_, err := c.CreateComment(ctx, "a", client.NewComment{Body: body})
		return err
	}
}

// inserter returns a function that comments with SQL.
func (s *site) inserter(user string) func(context.Context, string) error {
	return func(ctx context.Context, body string) error {
		_, err := s.sql.Exec(ctx, `insert into tidings.comments (post_id, author_id, body) values ('a', $1, $2)`, user, body)
		return err
	}
}

// A view has the bodies of the comments of a list, and of the events after it.
type view struct {
	listed, received []string
	counted          int // the count in the list
}

// listThenListen lists the comments at one server and reads the events after the list
// up to theEnd at another.
func listThenListen(ctx context.Context, list, events *client.Client) (v view, err error) {
	page, err := list.Comments(ctx, "a", client.ListOptions{Limit: 100})
	if err != nil {
		return v, err
	}
	for _, c := range page.Data {
		v.listed = append(v.listed, c.Body)
	}
	v.counted = int(page.Post.CommentCount)
	stream, err := events.Stream(ctx, []string{"post:a"}, page.Cursor)
	if err != nil {
		return v, err
	}
	defer stream.Close()
	x := &tap{take: stream.Next}
	received, err := x.upTo(theEnd)
	v.received = bodies(received)
	return v, err
}
