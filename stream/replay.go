package stream

import (
	"container/list"
	"context"
	"iter"
	"slices"
	"sort"
	"sync"
)

const (
	// replayFrames is how many events one read of the log for readers that are behind
	// takes, and foldTopics how many topics it asks for at most.
	replayFrames = 1000
	foldTopics   = 256
)

// Replays are the reads of the log for readers that the ring cannot help. Few happen
// at once, and each is for all who can use it: readers of the same topics who come
// back together cost one read, and not one each. Who leaves is read for no more, so no
// more wait than there are subscriptions.
type replays struct {
	hub  *Hub
	bell chan struct{} // a reader waits

	// mu guards what follows. It may be taken under a shard's lock, and not the other
	// way round.
	mu      sync.Mutex
	waiting list.List                       // of *replay; first come, first served
	places  map[*Subscription]*list.Element // in it
}

// A replay is a reader who waits for the log.
type replay struct {
	sub    *Subscription
	topics []Topic
	from   Cursor
	breaks int // the hub's, when from was taken
}

func newReplays(h *Hub) *replays {
	return &replays{
		hub: h, bell: make(chan struct{}, h.cfg.Replays), places: make(map[*Subscription]*list.Element),
	}
}

// add has the log read for a reader, who is marked when that is done.
func (r *replays) add(p *replay) {
	r.mu.Lock()
	r.places[p.sub] = r.waiting.PushBack(p)
	r.mu.Unlock()
	r.ring()
}

// forget takes a reader who leaves out of those who wait.
func (r *replays) forget(s *Subscription) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if place := r.places[s]; place != nil {
		r.remove(place)
	}
}

func (r *replays) remove(place *list.Element) {
	delete(r.places, r.waiting.Remove(place).(*replay).sub)
}

// line yields who waits, and may be taken out of the line then.
func (r *replays) line() iter.Seq2[*list.Element, *replay] {
	return func(yield func(*list.Element, *replay) bool) {
		for place, next := r.waiting.Front(), (*list.Element)(nil); place != nil; place = next {
			next = place.Next()
			if !yield(place, place.Value.(*replay)) {
				return
			}
		}
	}
}

func (r *replays) ring() {
	select {
	case r.bell <- struct{}{}:
	default: // all readers of the log are up
	}
}

// run reads until ctx ends.
func (r *replays) run(ctx context.Context) {
	for {
		select {
		case <-r.bell:
		case <-ctx.Done():
			return
		}
		for group, after := r.fold(); len(group) > 0 && ctx.Err() == nil; group, after = r.fold() {
			r.read(ctx, group, after)
		}
	}
}

// fold takes who waits longest, and with him those who find what they need in the same
// read or may do so: it begins before him when that still reaches past him, for a read
// of so many events covers at least as many positions.
func (r *replays) fold() (group []*replay, after int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting.Len() == 0 {
		return nil, 0
	}
	first := r.waiting.Front().Value.(*replay).from.Position
	after = first
	for _, p := range r.line() {
		if at := p.from.Position; at < after && at > first-replayFrames {
			after = at
		}
	}
	topics := make(map[Topic]struct{})
	for place, p := range r.line() {
		if len(group) > 0 && (p.from.Position < after || len(topics)+fresh(topics, p.topics) > foldTopics) {
			continue
		}
		for _, t := range p.topics {
			topics[t] = struct{}{}
		}
		group = append(group, p)
		r.remove(place)
	}
	return group, after
}

func fresh(known map[Topic]struct{}, topics []Topic) (n int) {
	for _, t := range topics {
		if _, ok := known[t]; !ok {
			n++
		}
	}
	return n
}

// read reads the log once and hands out what it found. Who stands beyond that asks anew.
func (r *replays) read(ctx context.Context, group []*replay, after int64) {
	topics := make(map[Topic][]*Frame)
	query := Query{After: after, Limit: replayFrames}
	for _, p := range group {
		for _, t := range p.topics {
			if _, ok := topics[t]; !ok {
				topics[t] = nil
				query.Topics = append(query.Topics, t)
			}
		}
	}
	r.hub.reads.Add(1)
	batch, err := r.hub.log.Read(ctx, query)
	if err != nil {
		for _, p := range group {
			p.sub.answer(p, func() { p.sub.fault = err })
		}
		return
	}
	frames := encode(batch.Events)
	newest := make(latest)
	for _, f := range frames {
		newest.add(f)
		topics[f.Topic] = append(topics[f.Topic], f)
	}
	for _, p := range group {
		p.take(batch, frames, topics)
	}
}

// take gives the reader its share of what was read.
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
	reach := batch.State.Cursor(max(batch.Through, p.from.Position)) // never back
	whole := batch.Through == batch.State.Head
	if n := fit(mine, chunkBytes); n < len(mine) {
		mine, reach, whole = mine[:n:n], mine[n-1].Cursor, false
	}
	s.answer(p, func() {
		s.at.fromFloor = false
		s.arriveLocked(mine, reach, whole)
	})
}

// share are the frames that the reader reads and has not had. Readers of one topic
// share them, and their array.
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
