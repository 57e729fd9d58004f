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

// LikesSeen describes the like-updates that the readers of a post received. The JSON names
// call these readers viewers.
type LikesSeen struct {
	Viewers   int     `json:"viewers"`
	Updates   int64   `json:"updates"`             // like-updates received by all readers
	PerSecond float64 `json:"perViewerSecond"`     // like-updates per reader, from its first to its last
	Most      int     `json:"mostInSecond"`        // like-updates that one reader received within one second
	Missed    int     `json:"missedTheNewest"`     // readers whose last count was not the post's
	Backwards int     `json:"countsWentBackwards"` // readers that saw the count fall, although no like was removed
}

// likeReaders read the likes of a post, each over its own stream.
type likeReaders struct {
	all     []*likeReader
	stop    func()
	running sync.WaitGroup
}

// A likeReader records when like-updates arrived, and the last count.
type likeReader struct {
	last      atomic.Int64
	mu        sync.Mutex // guards at and backwards
	at        []time.Duration
	backwards bool
}

// connectLikeReaders connects n readers. It returns when the server has accepted all of
// them.
func (t *target) connectLikeReaders(ctx context.Context, post string, n int) (*likeReaders, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &likeReaders{stop: cancel}
	for range n {
		stream, err := t.client.Stream(ctx, []string{"post:" + post}, "now")
		if err != nil {
			l.close()
			return nil, fmt.Errorf("connect reader %d: %w", len(l.all), err)
		}
		one := new(likeReader)
		l.all = append(l.all, one)
		l.running.Go(func() { one.watch(stream, t.now) })
	}
	return l, nil
}

// close ends the readers and waits for them.
func (l *likeReaders) close() {
	l.stop()
	l.running.Wait()
}

// watch reads the stream until it ends.
func (r *likeReader) watch(s *client.Stream, now func() time.Duration) {
	defer s.Close()
	for {
		event, err := s.Next()
		if err != nil {
			return // the stream was closed, or cut: the reader then misses the newest count
		}
		var data struct {
			Count int64 `json:"count"`
		}
		if event.Name == "like-update" && json.Unmarshal(event.Data, &data) == nil {
			r.note(data.Count, now())
		}
	}
}

// note records a like-update.
func (r *likeReader) note(count int64, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, at)
	r.backwards = r.backwards || count < r.last.Load()
	r.last.Store(count)
}

// seen waits until all readers have the count, for lostAfter at most, and returns what they
// received.
func (l *likeReaders) seen(ctx context.Context, count int64) LikesSeen {
	ctx, cancel := context.WithTimeout(ctx, lostAfter)
	defer cancel()
	look := time.NewTicker(checkInterval)
	defer look.Stop()
	for l.missing(count) > 0 && ctx.Err() == nil {
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
	s := LikesSeen{Viewers: len(l.all), Missed: l.missing(count)}
	var followed int // updates, without the first of each reader
	var span time.Duration
	for _, one := range l.all {
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

// missing returns how many readers have another count.
func (l *likeReaders) missing(count int64) (n int) {
	for _, one := range l.all {
		if one.last.Load() != count {
			n++
		}
	}
	return n
}

// mostInSecond returns the largest number of the times, which are sorted, that lie within
// one second.
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
