package stream

import (
	"net/netip"
	"slices"
)

// A PollBody is the part of an answer that all polls with an equal result share. Its bytes
// must not change. It belongs to one worker or goroutine.
type PollBody struct {
	Bytes  []byte
	Cursor Cursor // of the next poll

	contents []*content // of the frames, at the time of the encoding
	// charges are the reservations of the clients whose sockets have not accepted all bytes.
	charges map[netip.Addr]*charge
}

// A charge is what one client has reserved of the memory of a body.
type charge struct {
	polls   int
	release func()
}

// bodies has the bodies that a worker has encoded since it last waited. Most polls that are
// answered together wait for the same events.
type bodies map[bodyKey]*PollBody

// mostBodies bounds the bodies of a worker: they stay in memory until the worker waits.
const mostBodies = 64

// A bodyKey has the parts of a result that can be compared quickly.
type bodyKey struct {
	cursor      Cursor
	first, last *Frame
	frames      int
	more        bool
}

// of returns the body for a result. The same frames have another body after the text of a
// comment has changed.
func (b bodies) of(r PollResult, caller PollCaller) *PollBody {
	if b == nil { // the poll has a goroutine
		return caller.Body(r)
	}
	key := bodyKey{cursor: r.Cursor, frames: len(r.Frames), more: r.More}
	if len(r.Frames) > 0 {
		key.first, key.last = r.Frames[0], r.Frames[len(r.Frames)-1]
	}
	if known := b[key]; known != nil && known.encodes(r.Frames) {
		return known
	}
	if len(b) >= mostBodies {
		clear(b)
	}
	contents := make([]*content, len(r.Frames))
	for i, f := range r.Frames {
		contents[i] = f.content.Load()
	}
	body := caller.Body(r)
	body.contents = contents
	b[key] = body
	return body
}

// encodes reports whether the body has exactly these frames, as they are now.
func (b *PollBody) encodes(frames []*Frame) bool {
	return slices.EqualFunc(b.contents, frames, func(c *content, f *Frame) bool { return c == f.content.Load() })
}

// An unsent is the memory that is reserved for the pending bytes of an answer. The zero value
// has none.
type unsent struct {
	body *PollBody // whose bytes are pending; nil: none
	own  func()    // releases the memory of the bytes that no other poll refers to
}

// reserve reserves memory for the pending bytes of an answer, of which copied bytes belong to
// this poll alone. The bytes of a body are reserved once for each client.
func (u *unsent) reserve(address netip.Addr, pending, copied int, body *PollBody, caller PollCaller) bool {
	if copied > 0 {
		release, ok := caller.Reserve(copied)
		if !ok {
			return false
		}
		u.own = release
	}
	if pending == copied {
		return true
	}
	c := body.charges[address]
	if c == nil {
		release, ok := caller.Reserve(len(body.Bytes))
		if !ok {
			return false
		}
		if body.charges == nil {
			body.charges = make(map[netip.Addr]*charge)
		}
		c = &charge{release: release}
		body.charges[address] = c
	}
	c.polls++
	u.body = body
	return true
}

// release releases what reserve has reserved.
func (u *unsent) release(address netip.Addr) {
	if u.own != nil {
		u.own()
	}
	if u.body != nil {
		c := u.body.charges[address]
		if c.polls--; c.polls == 0 {
			delete(u.body.charges, address)
			c.release()
		}
	}
	*u = unsent{}
}
