package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/tidings-live/tidings/api/client"
)

// Load loads the first page of a list.
func Load(ctx context.Context, c *client.Client, list List) (*Page, error) {
	p := &Page{list: list, shown: span{order: orderOf(list)}, known: make(map[string]*Comment)}
	first, err := p.read(ctx, c)
	if err != nil {
		return nil, err
	}
	p.Post, p.Cursor, p.user = first.Post, first.Cursor, first.User
	return p, nil
}

// Of returns a page that shows what another program has loaded of a list, and has kept up to date.
func Of(list List, shown client.CommentList) (*Page, error) {
	p := &Page{list: list, shown: span{order: orderOf(list)}, known: make(map[string]*Comment)}
	p.Post, p.user = shown.Post, shown.User
	return p, p.take(&p.shown, shown)
}

// LoadWhole loads a list, and the replies of its roots, to their ends.
func LoadWhole(ctx context.Context, c *client.Client, list List) (*Page, error) {
	list.Limit = 100
	p, err := Load(ctx, c, list)
	for err == nil && p.More() {
		err = p.LoadMore(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	for _, root := range p.shown.comments {
		for root.below != nil && !root.below.whole {
			if err := p.loadReplies(ctx, c, root); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// More reports whether the list may go on after the loaded part.
func (p *Page) More() bool { return !p.shown.whole }

// LoadMore loads the next page of the list.
func (p *Page) LoadMore(ctx context.Context, c *client.Client) error {
	_, err := p.read(ctx, c)
	return err
}

// read reads the next page of the list.
func (p *Page) read(ctx context.Context, c *client.Client) (client.CommentList, error) {
	answer, err := c.Comments(ctx, p.list.Post, client.ListOptions{
		Sort: p.list.Sort, Flat: p.list.Flat, Limit: p.list.Limit, After: p.shown.next,
	})
	if err != nil {
		return answer, err
	}
	return answer, p.take(&p.shown, answer)
}

// MoreReplies returns the ids of the roots whose replies may go on after the loaded part.
func (p *Page) MoreReplies() (ids []string) {
	for _, root := range p.shown.comments {
		if root.below != nil && !root.below.whole {
			ids = append(ids, root.ID)
		}
	}
	return ids
}

// LoadReplies loads the next page of the replies of a root. It does nothing if the page does not
// have the root.
func (p *Page) LoadReplies(ctx context.Context, c *client.Client, root string) error {
	if known := p.known[root]; known != nil && known.below != nil {
		return p.loadReplies(ctx, c, known)
	}
	return nil
}

func (p *Page) loadReplies(ctx context.Context, c *client.Client, root *Comment) error {
	answer, err := c.Replies(ctx, root.ID, client.ListOptions{Limit: p.list.Limit, After: root.below.next})
	if isGone(err) {
		root.below.whole = true // an event that follows says that the root is gone
		return nil
	}
	if err != nil {
		return err
	}
	return p.take(root.below, answer)
}

// take adds the next page of a list.
func (p *Page) take(s *span, answer client.CommentList) error {
	s.loadedThrough(answer.Data, answer.Page)
	for i, c := range answer.Data {
		if i > 0 && s.order != asLoaded && s.order.compare(s.order.place(&Comment{Comment: answer.Data[i-1]}), s.order.place(&Comment{Comment: c})) >= 0 {
			return fmt.Errorf("comment %s is not in the order of its list", c.ID)
		}
		if known := p.known[c.ID]; known != nil {
			p.remove(known)
		}
		n := &Comment{Comment: c}
		n.Replies = nil
		if s.order == asLoaded {
			s.comments = append(s.comments, n)
		} else {
			s.put(n)
		}
		p.known[c.ID] = n
		if c.Replies == nil {
			continue
		}
		n.below = &span{order: byTime}
		if err := p.take(n.below, client.CommentList{Data: c.Replies.Data, Page: c.Replies.Page}); err != nil {
			return err
		}
	}
	return nil
}

// Fill reads what events do not say of the comments that they have added: see the rules of the
// package.
func (p *Page) Fill(ctx context.Context, c *client.Client) error {
	for len(p.added) > 0 {
		n := p.known[p.added[0]]
		if p.likedIsUnknown(n) {
			now, err := c.Comment(ctx, n.ID)
			if err != nil && !isGone(err) {
				return err
			}
			n.Liked = now.Liked && now.Status != "deleted"
		}
		if p.repliesAreUnknown(n) {
			if err := p.loadReplies(ctx, c, n); err != nil {
				return err
			}
		}
		p.added = p.added[1:]
	}
	return nil
}

// isGone reports whether no list shows a comment.
func isGone(err error) bool {
	var problem *client.Problem
	return errors.As(err, &problem) && problem.Status == http.StatusNotFound
}
