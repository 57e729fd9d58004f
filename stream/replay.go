package stream

import (
	"container/list"
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/tidings-live/tidings/stream/faults"
)

const (
	// replayFrames is the largest number of events of one read of the log for readers.
	replayFrames = 1000
	// foldTopics is the largest number of topics of such a read.
	foldTopics = 256
	// retryEvery is how long after a failed read the hub repeats the read itself, unless
	// another one has succeeded. So the hub finds that the log can be read again, although
	// the readers have left.
	retryEvery = time.Second
)

// replays reads the log for readers that are behind the ring. At most HubConfig.Replays
// reads happen at the same time, and each serves every waiting reader that can use it:
// readers of the same topics that return together cost one read. The replay of a
// subscription that closes is removed, so no more replays wait than there are subscriptions.
type replays struct {
	hub    *Hub
	wake   chan struct{} // holds a token for each goroutine that has to look for replays
	faults *faults.Work
	failed chan Query // holds the last read that failed, until retry takes it

	// mu guards waiting and places. It may be locked under the lock of a shard, but not
	// the other way round.
	mu      sync.Mutex
	waiting list.List                       // of *replay, the oldest first
	places  map[*Subscription]*list.Element // the elements of waiting
}

// A replay is a subscription that waits for a read of the log.
type replay struct {
	sub    *Subscription
	topics []Topic
	from   Cursor
	most   int // events that the next chunk is expected to have, at most replayFrames
	breaks int // Hub.breaks at the time when from was valid
}

func newReplays(h *Hub) *replays {
	return &replays{
		hub: h, wake: make(chan struct{}, h.cfg.Replays), failed: make(chan Query, 1),
		places: make(map[*Subscription]*list.Element),
		faults: faults.New(h.cfg.Logger, "past events cannot be read", "past events are read again"),
	}
}

// add adds a replay. When the log has been read for it, its subscription is marked.
func (r *replays) add(p *replay) {
	r.mu.Lock()
	r.places[p.sub] = r.waiting.PushBack(p)
	r.mu.Unlock()
	r.notify()
}

// forget removes the replay of a subscription that closes.
func (r *replays) forget(s *Subscription) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if place := r.places[s]; place != nil {
		r.removeLocked(place)
	}
}

func (r *replays) removeLocked(place *list.Element) {
	delete(r.places, r.waiting.Remove(place).(*replay).sub)
}

// allLocked yields the waiting replays. The one that is yielded may be removed.
func (r *replays) allLocked() iter.Seq2[*list.Element, *replay] {
	return func(yield func(*list.Element, *replay) bool) {
		for place, next := r.waiting.Front(), (*list.Element)(nil); place != nil; place = next {
			next = place.Next()
			if !yield(place, place.Value.(*replay)) {
				return
			}
		}
	}
}

// notify wakes a goroutine that reads.
func (r *replays) notify() {
	select {
	case r.wake <- struct{}{}:
	default: // each goroutine already has a token
	}
}

// run reads the log until ctx ends. HubConfig.Replays goroutines call it.
func (r *replays) run(ctx context.Context) {
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
		for group, after := r.fold(); len(group) > 0 && ctx.Err() == nil; group, after = r.fold() {
			r.read(ctx, group, after)
		}
	}
}

// fold removes the replay that has waited longest and every other one whose next events
// can be in the same read, and returns them with the position after which to read. The
// read may start up to most positions of the first replay earlier, to include others: n
// events span at least n positions, so it still reaches the first one.
func (r *replays) fold() (group []*replay, after int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting.Len() == 0 {
		return nil, 0
	}
	oldest := r.waiting.Front().Value.(*replay)
	first := oldest.from.Position
	after = first
	for _, p := range r.allLocked() {
		if at := p.from.Position; at < after && at > first-int64(oldest.most) {
			after = at
		}
	}
	topics := make(map[Topic]struct{})
	for place, p := range r.allLocked() {
		if len(group) > 0 && (p.from.Position < after || len(topics)+fresh(topics, p.topics) > foldTopics) {
			continue
		}
		for _, t := range p.topics {
			topics[t] = struct{}{}
		}
		group = append(group, p)
		r.removeLocked(place)
	}
	return group, after
}

// fresh returns the number of topics that are not in known.
func fresh(known map[Topic]struct{}, topics []Topic) (n int) {
	for _, t := range topics {
		if _, ok := known[t]; !ok {
			n++
		}
	}
	return n
}

// read reads the log once and answers each replay of the group. A subscription that is still
// behind after the read adds another replay.
func (r *replays) read(ctx context.Context, group []*replay, after int64) {
	topics := make(map[Topic][]*Frame)
	query := Query{After: after, Limit: limitOf(group)}
	for _, p := range group {
		for _, t := range p.topics {
			if _, ok := topics[t]; !ok {
				topics[t] = nil
				query.Topics = append(query.Topics, t)
			}
		}
	}
	r.hub.reads.Add(1)
	batch, err := r.readNoting(ctx, query)
	if err != nil {
		for _, p := range group {
			p.sub.answer(p, func() { p.sub.fault = err })
		}
		return
	}
	frames := encode(batch)
	if !r.hub.texts.join(frames, batch.State.Head) {
		r.again(group)
		return
	}
	newest := make(latest)
	for _, f := range frames {
		newest.add(f)
		topics[f.Topic] = append(topics[f.Topic], f)
	}
	for _, p := range group {
		p.take(batch, frames, topics)
	}
}

// limitOf returns how many events a read for the group has to return at most. If the events
// are large, a chunk has few of them, and the rest of a larger read would be thrown away.
// Replays of one topic share their events.
func limitOf(group []*replay) (limit int) {
	byTopic := make(map[Topic]int)
	for _, p := range group {
		byTopic[p.topics[0]] = max(byTopic[p.topics[0]], p.most)
	}
	for _, most := range byTopic {
		limit += most
	}
	return min(limit, replayFrames)
}

// readNoting reads the log and reports the outcome to the operator. Its error matches
// ErrUnreadable.
func (r *replays) readNoting(ctx context.Context, query Query) (Batch, error) {
	batch, err := r.hub.log.Read(ctx, query)
	if ctx.Err() == nil { // else the hub stops
		r.faults.Note(ctx, err)
	}
	if err == nil {
		return batch, nil
	}
	select {
	case r.failed <- query:
	default: // an earlier one waits
	}
	return Batch{}, fmt.Errorf("%w: %w", ErrUnreadable, err)
}

// retry repeats a read that has failed, every retryEvery, until a read has succeeded.
func (r *replays) retry(ctx context.Context) {
	for {
		var query Query
		select {
		case query = <-r.failed:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
			return
		}
		if r.faults.Err() != nil {
			_, _ = r.readNoting(ctx, query) // reports its error, and puts the query back
		}
	}
}

// again has the log read again for each replay of a group.
func (r *replays) again(group []*replay) {
	for _, p := range group {
		p.sub.answer(p, func() {}) // the subscription fetches again
	}
}

// take gives a subscription its part of the events that were read.
func (p *replay) take(batch Batch, frames []*Frame, byTopic map[Topic][]*Frame) {
	s := p.sub
	if gap := batch.State.Judge(p.from); gap != nil {
		s.answer(p, func() {
			if s.at.cross(gap, batch.State) {
				s.fault = gap
			}
		})
		return
	}
	mine := p.share(frames, byTopic)
	most := p.most
	reach := batch.State.Cursor(max(batch.Through, p.from.Position)) // never moves back
	whole := batch.Through == batch.State.Head
	if n := fit(mine, chunkBytes); n < len(mine) {
		mine, reach, whole = mine[:n:n], mine[n-1].Cursor, false
		most = n + (n+3)/4 // the next chunk may have some more
	} else if len(mine) > 0 && fit(mine, chunkBytes/2) == len(mine) { // smaller than expected
		most = min(replayFrames, 4*most)
	}
	s.answer(p, func() {
		s.most = int16(most)
		s.at.fromFloor = false
		s.arriveLocked(mine, reach, whole)
	})
}

// share returns the frames of the subscription's topics after its cursor. Subscriptions to
// one topic share the array.
func (p *replay) share(frames []*Frame, byTopic map[Topic][]*Frame) []*Frame {
	if len(p.topics) == 1 {
		mine := byTopic[p.topics[0]]
		first := sort.Search(len(mine), func(i int) bool { return mine[i].Cursor.Position > p.from.Position })
		return mine[first:len(mine):len(mine)]
	}
	var mine []*Frame
	for _, f := range frames {
		if f.Cursor.Position > p.from.Position && slices.Contains(p.topics, f.Topic) {
			mine = append(mine, f)
		}
	}
	return mine[:len(mine):len(mine)]
}
