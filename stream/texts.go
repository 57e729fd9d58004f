package stream

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"weak"
)

// A textIndex finds the frames in memory that have the text of a comment or post or the name of
// a user: those of the ring, and those that wait for a reader. When a comment is edited, hidden
// or deleted, all of them get the content that a read of the log has now. So an instance
// hands out no removed text once it has read the event that says so.
//
// A frame is found until nothing else refers to it.
type textIndex struct {
	mu     sync.Mutex                      // guards the fields below and serializes changes of content
	frames map[int64][]weak.Pointer[Frame] // by comment; 0: events about posts
	size   int                             // frames that were added and not removed by sweepLocked
	next   int                             // the size at which frames that are gone are removed
	// changes are the last frames that take a text or a name away, in order.
	changes []*Frame
	kept    int   // size of changes
	after   int64 // changes has every such frame after this position
}

const (
	// leastSweep is the least number of frames at which those that are gone are removed.
	leastSweep = 1024
	// keptChanges and keptBytes bound the changes that are kept for a read of the log that is
	// under way.
	keptChanges = 1024
	keptBytes   = 512 << 10
)

func newTextIndex() *textIndex {
	return &textIndex{frames: make(map[int64][]weak.Pointer[Frame]), next: leastSweep}
}

// hasText reports whether the data of a frame has the text of a comment.
func hasText(f *Frame) bool {
	return f.Comment != 0 && (f.Name == NewCommentName || f.Name == CommentUpdatedName || f.Name == ModerationName)
}

// hasContent reports whether the data of a frame has the text of a comment or post, or the name
// of a user.
func hasContent(f *Frame) bool {
	return hasText(f) || !f.Ephemeral() && (f.Name == NotificationName || f.Name == PostUpdatedName)
}

// changes reports whether a frame says that others must change.
func changes(f *Frame) bool {
	return f.Comment != 0 || f.Name == PostDeletedName || f.Name == PostUpdatedName || isUserChanged(f)
}

func isUserChanged(f *Frame) bool { return f.Name == userChangedName && f.Topic == Topic{} }

func (t *textIndex) addLocked(f *Frame) {
	if !hasContent(f) {
		return
	}
	if t.size >= t.next {
		t.sweepLocked()
	}
	t.frames[f.Comment] = append(t.frames[f.Comment], weak.Make(f))
	t.size++
}

// sweepLocked removes frames that are gone.
func (t *textIndex) sweepLocked() {
	t.size = 0
	for id, frames := range t.frames {
		frames = slices.DeleteFunc(frames, func(p weak.Pointer[Frame]) bool { return p.Value() == nil })
		if t.size += len(frames); len(frames) == 0 {
			delete(t.frames, id)
		} else {
			t.frames[id] = frames
		}
	}
	t.next = max(leastSweep, 2*t.size)
}

// follow changes the content of known frames to what the next frames of the log say, and makes
// these known. They need no change: one read has given all of them the latest content. It
// returns the frames that have changed; a frame may be among them twice.
func (t *textIndex) follow(frames []*Frame) (changed []*Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed = t.applyLocked(frames)
	for _, f := range frames {
		if changes(f) && f.Name != NewCommentName {
			t.keepLocked(f)
		}
		t.addLocked(f)
	}
	return changed
}

// keepLocked keeps a change, and drops the oldest ones over the bounds.
func (t *textIndex) keepLocked(f *Frame) {
	t.changes = append(t.changes, f)
	t.kept += f.size
	for len(t.changes) > keptChanges || t.kept > keptBytes && len(t.changes) > 1 {
		t.after = t.changes[0].Cursor.Position
		t.kept -= t.changes[0].size
		t.changes[0] = nil
		t.changes = t.changes[1:]
	}
}

// join makes frames known that were read apart from the others, when the log had a head,
// and changes their content to what later events say. It returns false if it does not know
// all of these events any more: the frames must then be read again.
func (t *textIndex) join(frames []*Frame, head int64) bool {
	if !slices.ContainsFunc(frames, hasContent) {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range frames {
		t.addLocked(f)
	}
	first := len(t.changes)
	for first > 0 && t.changes[first-1].Cursor.Position > head {
		first--
	}
	t.applyLocked(t.changes[first:])
	return head >= t.after
}

// reset forgets all frames: the log broke off.
func (t *textIndex) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.frames, t.size, t.next = make(map[int64][]weak.Pointer[Frame]), 0, leastSweep
	t.changes, t.kept, t.after = nil, 0, 0
}

// applyLocked changes the content of known frames to what later frames say. It looks at
// all known frames once at most, however many posts or users have changed. It returns the
// frames that have changed.
func (t *textIndex) applyLocked(later []*Frame) (changed []*Frame) {
	var comments map[commentFor]*Frame
	var deleted, updated map[Topic]*Frame // by topic of the post
	var users map[string]*Frame
	for _, f := range later {
		switch {
		case isUserChanged(f):
			if id := userOf(members(f.Data()), "actor"); id != "" { // else each frame without a user would match
				set(&users, id, f)
			}
		case f.Name == PostDeletedName:
			set(&deleted, f.Topic, f)
		case f.Name == PostUpdatedName:
			set(&updated, f.Topic, f)
		case f.Comment != 0:
			set(&comments, commentFor{f.Comment, f.Name == ModerationName}, f) // a later one replaces the earlier ones
		}
	}
	for key, f := range comments {
		each(t.frames[key.id], func(known *Frame) {
			if known != f && known.change(f) {
				changed = append(changed, known)
			}
		})
	}
	if deleted == nil && updated == nil && users == nil {
		return changed
	}
	for _, frames := range t.frames {
		each(frames, func(known *Frame) {
			// A post may be there again: one read has the content that it has then.
			if f := updated[known.Topic]; f != nil && known.Name == PostUpdatedName && known.change(f) {
				changed = append(changed, known)
			}
			if f := deleted[postOf(known)]; f != nil && known.change(f) {
				changed = append(changed, known)
			}
			if users != nil && known.rename(users) {
				changed = append(changed, known)
			}
		})
	}
	return changed
}

// A commentFor is a comment in the events for readers, or in those for moderators, which may
// have a text that readers must not see.
type commentFor struct {
	id         int64
	moderators bool
}

// set sets the value of a key in a map, which is made first if it is nil.
func set[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[key] = value
}

// each calls do with each frame that is left.
func each(frames []weak.Pointer[Frame], do func(*Frame)) {
	for _, p := range frames {
		if f := p.Value(); f != nil {
			do(f)
		}
	}
}

// postOf returns the topic of the post that a frame is about. An event for moderators has another
// topic.
func postOf(f *Frame) Topic {
	if f.Name != ModerationName {
		return f.Topic
	}
	var id string
	_ = json.Unmarshal(f.comment()["postId"], &id) // the data of our own events has a post
	topic, _ := ParseTopic("post:" + id)
	return topic
}

// comment returns the members of the comment in the data of a frame.
func (f *Frame) comment() map[string]json.RawMessage { return commentIn(f.Name, f.Data()) }

// commentIn returns the members of the comment in the data of an event.
func commentIn(event Name, data Data) map[string]json.RawMessage {
	if event == ModerationName {
		return members(Data{members(data)["comment"]})
	}
	return members(data)
}

// withText returns the data of an event with the text of a comment.
func withText(event Name, data Data, comment map[string]json.RawMessage) Data {
	return withComment(event, data, replaced(commentIn(event, data), textMembers, comment))
}

// withComment returns the data of an event with other members of its comment.
func withComment(event Name, data Data, comment map[string]json.RawMessage) Data {
	if event != ModerationName {
		return object(comment)
	}
	all := members(data)
	all["comment"] = object(comment).json
	return object(all)
}

// userOf returns the id of the user in a member of the data; empty for none.
func userOf(all map[string]json.RawMessage, role string) string {
	var user struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(all[role], &user) // a comment that was removed has no author
	return user.ID
}

// rename gives a frame the present name and avatar of its user, if the frame of a change of
// this user is among the later ones. It reports whether it did.
func (f *Frame) rename(users map[string]*Frame) bool {
	role := "actor"
	if hasText(f) {
		role = "author"
	}
	all := f.comment()
	later := users[userOf(all, role)]
	if later == nil || f.content.Load().asOf >= later.content.Load().asOf {
		return false
	}
	all[role] = members(later.Data())["actor"]
	f.setContent(withComment(f.Name, f.Data(), all), later.content.Load().asOf)
	return true
}

// change gives a frame about a comment or post the content that follows from a later event,
// unless its content was read with that event or after it. It reports whether it did. An event for
// moderators has the text that only they may read: it follows other events for them, and those
// with the text for all.
func (f *Frame) change(later *Frame) bool {
	asOf := later.content.Load().asOf
	if f.content.Load().asOf >= asOf {
		return false
	}
	switch {
	case f.Name == PostUpdatedName && later.Name == PostUpdatedName:
		f.setContent(object(replaced(members(f.Data()), postMembers, members(later.Data()))), asOf)
	case f.Name == PostUpdatedName:
		f.setContent(object(replaced(members(f.Data()), postMembers, removedPost)), asOf)
	case !hasText(f), f.Name == ModerationName && later.Name == CommentDeletedName,
		f.Name != ModerationName && later.Name == ModerationName:
		return false
	case hasText(later):
		f.content.Store(&content{data: f.content.Load().data, asOf: asOf, later: later})
	default: // the text must not stay in memory
		f.setContent(withText(f.Name, f.content.Load().data, removedText), asOf)
	}
	return true
}

// postMembers are the members of a post that a read of the log takes from the post as it is now.
var postMembers = []string{"title", "url", "authorId", "locked"}

// removedPost are these members of a post that was deleted.
var removedPost = map[string]json.RawMessage{
	"title": json.RawMessage(`null`), "url": json.RawMessage(`null`),
	"authorId": json.RawMessage(`null`), "locked": json.RawMessage(`false`),
}

// textMembers are the members of a comment that a read of the log takes from the comment as
// it is now. The others are as of the event.
var textMembers = []string{"author", "body", "html", "status", "editedAt", "version"}

// removedText are these members of a comment that is hidden, deleted or gone.
var removedText = map[string]json.RawMessage{
	"author": json.RawMessage(`null`), "body": json.RawMessage(`""`), "html": json.RawMessage(`""`),
	"status": json.RawMessage(`"deleted"`), "editedAt": json.RawMessage(`null`), "version": json.RawMessage(`1`),
}

// members returns the members of a JSON object, nil for other values.
func members(d Data) (m map[string]json.RawMessage) {
	_ = json.Unmarshal(d.json, &m) // the data of our own events is an object
	return m
}

// replaced sets the named members of an object that it has to those of another object.
func replaced(all map[string]json.RawMessage, names []string, other map[string]json.RawMessage) map[string]json.RawMessage {
	for _, name := range names {
		if value, ok := other[name]; ok && all[name] != nil {
			all[name] = value
		}
	}
	return all
}

// object encodes members in the order of jsonb, in which the log has them: by length, then by
// bytes.
func object(all map[string]json.RawMessage) Data {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	b := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), '"', ':')
		b = append(b, all[name]...)
	}
	return Data{append(b, '}')}
}
