package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/tidings-live/tidings/cmd/internal/page"
	"github.com/tidings-live/tidings/stream"
)

// pageLists are the lists that readers show. Each reader whose topics have its private one, or all
// readers if there are no tokens, has a page of the post of its first topic.
var pageLists = []page.List{
	{Sort: "newest", Limit: 20}, {Sort: "oldest", Limit: 20}, {Sort: "newest", Flat: true, Limit: 50}, {Sort: "oldest", Limit: 100},
}

// mostPages is the number of readers that have a page.
const mostPages = 12

// pagesLimit bounds the comparison of all pages: others may write to the posts faster than pages
// are loaded.
const pagesLimit = 20 * time.Second

// checkPages compares the pages that readers kept up to date with pages loaded again. A page that is
// not compared within pagesLimit is undecided.
func (r *run) checkPages(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, pagesLimit)
	defer cancel()
	for _, reader := range r.readers.readers {
		switch {
		case reader.list.Post == "":
			continue
		case reader.model == nil:
			r.decided[kindPage].Undecided++
			continue
		}
		var compared bool
		err := r.again(limited, func() (err error) {
			compared, err = r.checkPage(limited, reader)
			return err
		})
		if err != nil && limited.Err() == nil {
			return fmt.Errorf("page of %s: %w", reader.name, err)
		}
		if compared {
			r.decided[kindPage].Decided++
		} else {
			r.decided[kindPage].Undecided++
		}
	}
	return nil
}

// checkPage loads a page again, brings the page of the reader to the same place in the log, and
// compares them. Others may write to the post meanwhile: the page is then loaded once more. It
// returns false if they always did.
func (r *run) checkPage(ctx context.Context, of *reader) (compared bool, err error) {
	server := of.servers[0]
	for range askTimes {
		again, err := page.LoadWhole(ctx, server, of.list)
		if err != nil {
			return false, err
		}
		changed, err := r.bring(ctx, of, again.Cursor)
		if err != nil {
			return false, err
		}
		if err := of.model.Fill(ctx, server); err != nil {
			return false, err
		}
		if changed {
			continue
		}
		lines := of.model.Differences(again)
		r.decided[kindPage].Wrong += int64(min(1, len(lines)))
		for _, line := range lines {
			r.findings.add(differing, 1, "%s, page of %s: %s", of.name, of.list.Post, line)
		}
		return true, nil
	}
	return false, nil
}

// bring applies the events after the reader's cursor to its page and notifications, up to a place.
// changed is true if an event of its topics has followed since.
func (r *run) bring(ctx context.Context, of *reader, place string) (changed bool, err error) {
	at, err := stream.ParseCursor(place)
	if err != nil {
		return false, err
	}
	for {
		answer, err := of.servers[0].Poll(ctx, of.requested, of.cursor, 0, 1000)
		if err != nil {
			return false, err
		}
		for _, e := range answer.Events {
			if e.ID == "" {
				continue
			}
			position, err := stream.ParseCursor(e.ID)
			if err != nil {
				return false, err
			}
			of.show(e)
			if of.cursor = e.ID; position.Position > at.Position {
				return true, nil
			}
		}
		if of.cursor = answer.Cursor; answer.More {
			continue
		}
		reached, err := stream.ParseCursor(of.cursor)
		if err != nil || reached.Position >= at.Position {
			return false, err
		}
	}
}
