package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

// LikesSeen is what the viewers of a post saw of its likes.
type LikesSeen struct {
	Viewers   int     `json:"viewers"`
	Updates   int64   `json:"updates"`             // like-updates, over all viewers
	PerSecond float64 `json:"perViewerSecond"`     // on average, from a viewer's first to its last
	Most      int     `json:"mostInSecond"`        // that one viewer had in any one second
	Missed    int     `json:"missedTheNewest"`     // viewers whose last count was not the post's
	Backwards int     `json:"countsWentBackwards"` // viewers who saw a count fall, though nobody unliked
}

// Viewers watch the likes of a post, each by a stream of its own.
type likeReaders struct {
	all     []*likeReader
	stop    func()
	running sync.WaitGroup
}

// A viewer notes when counts arrived, and the last of them.
type likeReader struct {
	last      atomic.Int64
	mu        sync.Mutex // guards what follows
	at        []time.Duration
	backwards bool
}

// view has so many viewers watch a post. It returns when all streams are open.
func (t *target) connectLikeReaders(ctx context.Context, post string, n int) (*likeReaders, error) {
	ctx, cancel := context.WithCancel(ctx)
	v := &likeReaders{stop: cancel}
	for range n {
		stream, err := t.client.Stream(ctx, []string{"post:" + post}, "now")
		if err != nil {
			v.close()
			return nil, fmt.Errorf("open viewer %d: %w", len(v.all), err)
		}
		one := new(likeReader)
		v.all = append(v.all, one)
		v.running.Go(func() { one.watch(stream, t.now) })
	}
	return v, nil
}

func (v *likeReaders) close() {
	v.stop()
	v.running.Wait()
}

func (v *likeReader) watch(s *client.Stream, now func() time.Duration) {
	defer s.Close()
	for {
		event, err := s.Next()
		if err != nil {
			return // closed, or cut: then the newest is missed
		}
		var data struct {
			Count int64 `json:"count"`
		}
		if event.Name == "like-update" && json.Unmarshal(event.Data, &data) == nil {
			v.note(data.Count, now())
		}
	}
}

func (v *likeReader) note(count int64, at time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at = append(v.at, at)
	v.backwards = v.backwards || count < v.last.Load()
	v.last.Store(count)
}

// seen waits until all viewers have seen the count, and sums up.
func (v *likeReaders) seen(ctx context.Context, count int64) LikesSeen {
	ctx, cancel := context.WithTimeout(ctx, lostAfter)
	defer cancel()
	look := time.NewTicker(checkInterval)
	defer look.Stop()
	for v.missing(count) > 0 && ctx.Err() == nil {
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
	s := LikesSeen{Viewers: len(v.all), Missed: v.missing(count)}
	var followed int // updates, but for the first of each
	var span time.Duration
	for _, one := range v.all {
		one.mu.Lock()
		s.Updates += int64(len(one.at))
		s.Most = max(s.Most, mostInSecond(one.at))
		if n := len(one.at); n > 1 {
			followed, span = followed+n-1, span+one.at[n-1]-one.at[0]
		}
		if one.backwards {
			s.Backwards++
		}
		one.mu.Unlock()
	}
	s.PerSecond = ratioOf(float64(followed), span.Seconds())
	return s
}

func (v *likeReaders) missing(count int64) (n int) {
	for _, one := range v.all {
		if one.last.Load() != count {
			n++
		}
	}
	return n
}

// mostInSecond is how many of the times, which are in order, lie within one second.
func mostInSecond(at []time.Duration) (most int) {
	first := 0
	for i := range at {
		for at[i]-at[first] >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
