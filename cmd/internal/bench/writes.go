package bench

import (
	"context"
	"fmt"
)

// Writes has the figures of one load of comments.
type Writes struct {
	Posts     int     `json:"posts"`
	Writers   int     `json:"writers"`
	Readers   int     `json:"readers"`  // of all posts together
	Comments  int     `json:"comments"` // acknowledged
	Failed    int     `json:"failed"`
	Failure   string  `json:"failure,omitempty"` // the first
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"commentsPerSecond"`
	Post      Summary `json:"post"` // until the response to a POST
	Seen      Summary `json:"seen"` // from the start of a POST until each reader has received it
	Faults    Faults  `json:"faults"`
	Cost      Cost    `json:"cost"` // per comment
}

// writes measures two loads: each writer with its own post, and all writers with one.
func (c Config) writes(ctx context.Context, t *target, report *Report) error {
	for _, load := range []struct{ posts, readers int }{{c.Publishers, c.Publishers}, {1, c.Audience}} {
		w, err := c.writeTo(ctx, t, load.posts, load.readers)
		if err != nil {
			return err
		}
		w.print(t.out)
		report.Writes = append(report.Writes, w)
	}
	return nil
}

// writeTo lets all writers write comments to count posts for c.Duration.
func (c Config) writeTo(ctx context.Context, t *target, count, readers int) (w Writes, err error) {
	t.out.logf("writes: %d writers, posts: %d, for %v", c.Publishers, count, c.Duration)
	posts := make([]string, count)
	for i := range posts {
		posts[i] = t.post(fmt.Sprintf("writes%d", count), i)
	}
	writers := make([]*commentWriter, c.Publishers)
	for i := range writers {
		if writers[i], err = t.commentWriter(ctx, i, posts[i%len(posts)]); err != nil {
			return w, err
		}
		defer writers[i].close()
	}
	pool, err := t.connectReaders(ctx, readerSpec{event: "new-comment", posts: posts, readers: readers})
	if err != nil {
		return w, err
	}
	defer pool.stop()
	before := t.usage()
	sent, seen, err := pool.measure(ctx, "writes", &load{
		workers: c.Publishers, posts: count, more: forDuration(c.Duration), now: t.now,
		send: func(ctx context.Context, worker, n int) error {
			return writers[worker].comment(ctx, mark{n, t.now()})
		},
	})
	if err != nil {
		return w, err
	}
	cost := t.costSince(before, int64(len(sent.took))) // before this process spends time on the sums
	return Writes{
		Posts: count, Writers: c.Publishers, Readers: readers,
		Comments: len(sent.took), Failed: sent.failures(), Failure: sent.failure(),
		Seconds: sent.seconds(), PerSecond: sent.perSecond(),
		Post: summarize(sent.took), Seen: summarize(seen.latency), Faults: seen.faults,
		Cost: cost,
	}, nil
}

// print writes the table of one load.
func (w Writes) print(out printer) {
	t := out.table("Writes: %d writers onto %s, %d SSE readers in all", w.Writers, countOf(w.Posts, "post"), w.Readers)
	t.times("POST answered", w.Post)
	t.times("seen by each reader, from the POST's start", w.Seen)
	out.line("%.0f comments/s: %d in %.1f s, %d failed", w.PerSecond, w.Comments, w.Seconds, w.Failed)
	if w.Failed > 0 {
		out.line("the first failure: %s", w.Failure)
	}
	out.line("%v", w.Faults)
	out.cost("", w.Cost, "comment")
}

// countOf returns "one post" or "3 posts".
func countOf(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
