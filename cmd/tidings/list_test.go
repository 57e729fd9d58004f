package main

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/client"
)

const (
	authors = 4
	each    = 20 // comments of each author: one page holds all of them
	views   = 16
)

// A list and the events from its cursor on are everything, and nothing twice,
// whenever the list was read, and wherever.
func TestListThenListen(t *testing.T) {
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
	looks := make([]view, views)
	var all []string
	for i := range looks {
		all = append(all, <-written, <-written) // so that the lists are spread over the writing
		listed, heard := []*server{one, two}[i%2], []*server{one, two}[i/2%2]
		reading.Go(func() (err error) {
			looks[i], err = look(ctx, listed.Client, heard.Client)
			return err
		})
	}
	must(t, writing.Wait())
	s.end(t, "post:a")
	must(t, reading.Wait())

	close(written)
	for body := range written {
		all = append(all, body)
	}
	slices.Sort(all)
	for i, v := range looks {
		if seen := slices.Sorted(slices.Values(slices.Concat(v.listed, v.heard))); !slices.Equal(seen, all) {
			t.Errorf("view %d: lists %v and then hears %v", i, v.listed, v.heard)
		}
		want(t, "the count of the list", v.counted, len(v.listed))
	}
}

func commenter(c *client.Client) func(context.Context, string) error {
	return func(ctx context.Context, body string) error {
		_, err := c.CreateComment(ctx, "a", client.NewComment{Body: body})
		return err
	}
}

func (s *site) inserter(user string) func(context.Context, string) error {
	return func(ctx context.Context, body string) error {
		_, err := s.sql.Exec(ctx, `insert into tidings.comments (post_id, author_id, body) values ('a', $1, $2)`, user, body)
		return err
	}
}

// A view is the bodies of comments that a page shows.
type view struct {
	listed, heard []string
	counted       int
}

// look lists the comments, and listens from there to the end.
func look(ctx context.Context, list, events *client.Client) (v view, err error) {
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
	heard, err := x.upTo(theEnd)
	v.heard = bodies(heard)
	return v, err
}
