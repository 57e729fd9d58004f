package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream"
)

// askTimes is how often a question is asked whose answer may change at any time, because
// others write to the posts as well.
const askTimes = 5

// noteCounts notes the counts of all posts. Others may have changed them before the readers
// started, and no reader gets those events. With a database the log copy has them.
func (r *run) noteCounts(ctx context.Context) error {
	if r.pool != nil {
		return nil
	}
	for _, post := range r.participants.posts {
		var list client.CommentList
		err := r.again(ctx, func() (err error) {
			list, err = r.servers[0].Comments(ctx, post, client.ListOptions{Limit: 1})
			return err
		})
		if err != nil {
			return err
		}
		at, err := stream.ParseCursor(list.Cursor)
		if err != nil {
			return fmt.Errorf("cursor of the list of %s: %w", post, err)
		}
		comments, likes := countKeys(post)
		listed := listedCounts(list)
		r.checker.log.bases[comments] = countAt{at.Position, listed.Comments}
		r.checker.log.bases[likes] = countAt{at.Position, listed.Likes}
	}
	return nil
}

// countKeys are the keys of the events with the counts of a post.
func countKeys(post string) (comments, likes uint64) {
	return hash("post:"+post, "comment-count", ""), hash("post:"+post, "like-update", "")
}

// checkCounts compares the counts in the events of each post with those that the API
// returns.
func (r *run) checkCounts(ctx context.Context) error {
	for _, post := range r.participants.posts {
		if err := r.checkListedCounts(ctx, post); err != nil {
			return err
		}
		if err := r.checkAnsweredCounts(ctx, post); err != nil {
			return err
		}
	}
	return nil
}

// checkListedCounts compares a list of comments, which names the position of its
// snapshot, with the last events up to that position: others may write meanwhile.
// Without a database the events come from a reader, to whom the server need not send a
// count if there is a newer one. The list is then read again.
func (r *run) checkListedCounts(ctx context.Context, post string) error {
	comments, likes := countKeys(post)
	log := r.checker.log
	for range askTimes {
		var list client.CommentList
		err := r.again(ctx, func() (err error) {
			if list, err = r.servers[0].Comments(ctx, post, client.ListOptions{Limit: 1}); err != nil {
				return err
			}
			return r.copyThrough(ctx, post, list.Cursor)
		})
		if err != nil {
			return err
		}
		at, err := stream.ParseCursor(list.Cursor)
		if err != nil {
			return fmt.Errorf("cursor of the list of %s: %w", post, err)
		}
		if r.pool == nil && (log.hasCountAfter(comments, at.Position) || log.hasCountAfter(likes, at.Position)) {
			continue
		}
		event := client.Counts{Comments: log.countAt(comments, at.Position), Likes: log.countAt(likes, at.Position)}
		if listed := listedCounts(list); event != listed {
			r.findings.add(lost, 1, "%s: the newest events say %d comments and %d likes, the list says %d and %d", post, event.Comments, event.Likes, listed.Comments, listed.Likes)
		}
		return nil
	}
	return nil
}

// copyThrough makes the log copy complete for the topic of a post up to the cursor:
// from the database or, without one, with a poll that begins where a reader of the topic
// has stopped.
func (r *run) copyThrough(ctx context.Context, post, through string) error {
	if r.checker.recorder != nil {
		return r.checker.recorder.catchUp(ctx)
	}
	topic := "post:" + post
	from := r.readers.cursorOf(topic)
	for from != through {
		page, err := r.servers[0].Poll(ctx, []string{topic}, from, 0, 0)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			at, err := stream.ParseCursor(e.ID)
			if err == nil && at.Position > r.checker.log.lastOf(topic) {
				r.checker.log.add(at.Position, summarize(e.Topic, e.Name, e.Data))
			}
		}
		from = page.Cursor
		at, _ := stream.ParseCursor(from) // a malformed cursor has the position 0: the next poll is refused
		if want, err := stream.ParseCursor(through); err != nil || at.Position >= want.Position {
			return err
		}
	}
	return nil
}

// checkAnsweredCounts compares the answer of /v1/counts with a list before and one after
// it. If the lists differ, another writer has changed the counts meanwhile.
func (r *run) checkAnsweredCounts(ctx context.Context, post string) error {
	var before, after client.Counts
	var answered map[string]client.Counts
	for range askTimes {
		err := r.again(ctx, func() error {
			first, err := r.servers[0].Comments(ctx, post, client.ListOptions{Limit: 1})
			if err != nil {
				return err
			}
			if answered, err = r.servers[0].Counts(ctx, post); err != nil {
				return err
			}
			second, err := r.servers[0].Comments(ctx, post, client.ListOptions{Limit: 1})
			before, after = listedCounts(first), listedCounts(second)
			return err
		})
		if err != nil {
			return err
		}
		if before != after || answered[post] == before {
			return nil
		}
	}
	r.findings.add(lost, 1, "%s: the list says %d comments and %d likes, the counts say %d and %d", post, before.Comments, before.Likes, answered[post].Comments, answered[post].Likes)
	return nil
}

func listedCounts(list client.CommentList) client.Counts {
	return client.Counts{Comments: list.Post.CommentCount, Likes: list.Post.LikeCount}
}

// again calls ask until it returns nil, for up to 10 s, and returns its last error. It
// calls ask once if servers are known to be down.
func (r *run) again(ctx context.Context, ask func() error) (err error) {
	for range 20 {
		if err = ask(); err == nil || r.down || ctx.Err() != nil {
			return err
		}
		pause(ctx, 500*time.Millisecond)
	}
	return err
}
