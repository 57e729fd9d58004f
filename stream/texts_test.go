package stream

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// commented appends an event about a comment to the log. As the real log does, it gives all
// events about the comment the content that the comment has now; none if text is empty.
func (l *memoryLog) commented(name Name, comment int64, text string) {
	l.append(post42)
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &l.events[len(l.events)-1]
	e.Name, e.Comment = name, comment
	for i := range l.events {
		if e := &l.events[i]; e.Comment == comment || name == PostDeletedName {
			e.Data = commentData(e.Name, e.Cursor.Position, text)
		}
	}
}

func commentData(name Name, count int64, text string) Data {
	switch {
	case name != NewCommentName && name != CommentUpdatedName:
		return Data{[]byte(`{}`)}
	case text == "":
		return Data{fmt.Appendf(nil, `{"id":"1","body":"","author":null,"status":"deleted","version":1,"editedAt":null,"likeCount":%d}`, count)}
	}
	return Data{fmt.Appendf(nil, `{"id":"1","body":"%s","author":{"id":"ann"},"status":"published","version":2,"editedAt":"now","likeCount":%d}`, text, count)}
}

// read returns the data of all events from the earliest on.
func read(t *testing.T, h *Hub) string {
	t.Helper()
	s := subscribe(t, h, Earliest, post42)
	var all []string
	for {
		frames, err := s.Take(t.Context(), Unlimited)
		streamtest.Must(t, err)
		if len(frames) == 0 {
			return strings.Join(all, " ")
		}
		for _, f := range frames {
			all = append(all, f.Data().String())
			if !strings.Contains(string(f.SSE()), "data: "+f.Data().String()+"\n") {
				t.Errorf("the block %q does not have the data %s", f.SSE(), f.Data())
			}
		}
	}
}

// What an event says about a comment changes in memory with later events, as it does in
// the log.
func TestMemoryFollowsTheLog(t *testing.T) {
	t.Parallel()
	change := func(name Name, text string) func(h *Hub, log *memoryLog) {
		return func(_ *Hub, log *memoryLog) { log.commented(name, 1, text) }
	}
	for name, changes := range map[string][]func(h *Hub, log *memoryLog){
		"Edited":      {change(CommentUpdatedName, "other")},
		"Deleted":     {change(CommentDeletedName, "")},
		"ShownAgain":  {change(CommentDeletedName, ""), change(NewCommentName, "other")},
		"PostDeleted": {change(PostDeletedName, "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := newMemoryLog()
				h := run(t, log, HubConfig{})
				waiting := subscribe(t, h, Earliest, post42) // takes nothing until the end
				log.commented(NewCommentName, 1, "secret")
				log.commented(NewCommentName, 2, "kept")
				h.Wake()
				pass(time.Second)
				for _, change := range changes {
					change(h, log)
					h.Wake()
					pass(time.Second)
				}
				got := read(t, h)
				if strings.Contains(got, "secret") {
					t.Errorf("memory has the text: %s", got)
				}
				if kept := name != "PostDeleted"; strings.Contains(got, "kept") != kept {
					t.Errorf("memory has the text of another comment: %t\n%s", !kept, got)
				}
				var want []string
				for _, e := range log.events {
					want = append(want, e.Data.String())
				}
				streamtest.Want(t, "what memory has", got, strings.Join(want, " "))
				streamtest.Want(t, "reads of the log", log.replays(), 0)
				frames, err := waiting.Take(t.Context(), Unlimited)
				streamtest.Must(t, err)
				for _, f := range frames {
					if strings.Contains(f.Data().String(), "secret") {
						t.Errorf("a frame that waited has the text: %s", f.Data())
					}
				}
			})
		})
	}
}

// Names change in memory with the users, those of authors and of actors.
func TestMemoryFollowsTheUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		h := run(t, log, HubConfig{})
		add := func(topic Topic, name Name, comment int64, data string) {
			log.append(topic)
			log.mu.Lock()
			defer log.mu.Unlock()
			e := &log.events[len(log.events)-1]
			e.Name, e.Comment, e.Data = name, comment, Data{[]byte(data)}
		}
		add(post42, NewCommentName, 1, `{"author":{"id":"ann","name":"Old"}}`)
		add(post42, NotificationName, 0, `{"actor":{"id":"ann","name":"Old"}}`)
		add(post42, NotificationName, 0, `{"read":null,"unread":1}`)
		add(post42, NewCommentName, 2, `{"author":{"id":"ben","name":"Old"}}`)
		h.Wake()
		pass(time.Second)
		add(Topic{}, userChangedName, 0, `{"actor":{"id":"ann","name":"New"}}`)
		h.Wake()
		pass(time.Second)
		streamtest.Want(t, "what memory has", read(t, h), `{"author":{"id":"ann","name":"New"}} `+
			`{"actor":{"id":"ann","name":"New"}} {"read":null,"unread":1} {"author":{"id":"ben","name":"Old"}}`)
	})
}

// A row that is no event of ours, of a comment or a user, changes nothing.
func TestMemoryIgnoresDataThatIsNotOurs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		h := run(t, log, HubConfig{})
		var want []string
		add := func(topic Topic, name Name, comment int64, data string) {
			log.append(topic)
			log.mu.Lock()
			defer log.mu.Unlock()
			e := &log.events[len(log.events)-1]
			e.Name, e.Comment, e.Data = name, comment, Data{[]byte(data)}
			if topic == post42 {
				want = append(want, data)
			}
		}
		odd := []string{`5`, `[5]`, `"actor"`, `null`, `{}`, `{"actor":[1]}`, `{"author":null,"body":""}`}
		for n, data := range odd {
			add(post42, NewCommentName, int64(n+1), data)
			add(post42, NotificationName, 0, data)
		}
		h.Wake()
		pass(time.Second)
		for _, data := range odd {
			add(Topic{}, userChangedName, 0, data)
		}
		h.Wake()
		pass(time.Second)
		streamtest.Want(t, "what memory has", read(t, h), strings.Join(want, " "))
	})
}

// An overtakenLog has a comment deleted, and the hub read the deletion, after a replay has
// read the comment and before the replay gets the answer.
type overtakenLog struct {
	*memoryLog
	hub *Hub
}

func (l *overtakenLog) Read(ctx context.Context, q Query) (Batch, error) {
	batch, err := l.memoryLog.Read(ctx, q)
	if q.Topics != nil && len(batch.Events) > 0 && l.replays() == 1 {
		l.commented(CommentDeletedName, 1, "")
		l.hub.Wake()
		time.Sleep(time.Second)
	}
	return batch, err
}

// A read of the log that began before a deletion does not bring the text back.
func TestMemoryIgnoresOldReads(t *testing.T) {
	t.Parallel()
	for name, ring := range map[string]int{"DeletionInTheRing": 100, "RingOfOne": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &overtakenLog{memoryLog: newMemoryLog()}
				log.commented(NewCommentName, 1, "secret")
				log.append(repeat(post42, 200)...)
				log.hub = run(t, log, HubConfig{RingEvents: ring})
				if got := read(t, log.hub); strings.Contains(got, "secret") {
					t.Errorf("a reader got the text: %.200s", got)
				}
				if log.replays() == 0 {
					t.Error("the log was not read, so the test has checked nothing")
				}
			})
		})
	}
}

func repeat(topic Topic, n int) (topics []Topic) {
	for range n {
		topics = append(topics, topic)
	}
	return topics
}

// A hub that cannot read the log for ten seconds does not know what was removed.
func TestMemoryIsNotUsedWhenTheLogCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		h := run(t, log, HubConfig{})
		log.commented(NewCommentName, 1, "secret")
		h.Wake()
		pass(time.Second)
		try := func() error {
			_, err := subscribe(t, h, Earliest, post42).Next(t.Context(), 1)
			return err
		}
		pass(time.Minute) // a quiet log is read at each tick
		streamtest.Must(t, try())
		streamtest.Want(t, "reads of the log", log.replays(), 0)
		log.setBroken(true)
		streamtest.Must(t, try())
		pass(staleAfter + h.cfg.Tick)
		streamtest.WantErr(t, try(), errBroken)
		log.setBroken(false)
		pass(2 * time.Second)
		streamtest.Must(t, try())
	})
}

// Frames that nobody refers to are forgotten.
func TestTextIndexForgetsFrames(t *testing.T) {
	t.Parallel()
	x := newTextIndex()
	for n := range int64(100 * leastSweep) {
		e := Event{Cursor: Cursor{1, n + 1}, Topic: post42, Name: NewCommentName, Comment: n + 1, Data: commentData(NewCommentName, 0, "x")}
		x.addLocked(NewFrame(e))
		if n%leastSweep == 0 {
			runtime.GC()
		}
	}
	runtime.GC()
	x.sweepLocked()
	streamtest.Want(t, "the frames that are known", x.size, 0)
	streamtest.Want(t, "the comments that are known", len(x.frames), 0)
}

// However often a comment changes in one read of the log, each frame about it changes once.
func TestTextIndexChangesEachFrameOnceARead(t *testing.T) {
	t.Parallel()
	edits := func(from int64) (frames []*Frame) {
		for n := range int64(50) {
			frames = append(frames, newFrame(Event{
				Cursor: Cursor{1, from + n}, Topic: post42, Name: CommentUpdatedName, Comment: 1 + n%2, Data: commentData(CommentUpdatedName, 0, "x"),
			}, from+50))
		}
		return frames
	}
	x := newTextIndex()
	first := edits(1)
	streamtest.Want(t, "frames that the first read changes", len(x.follow(first)), 0)
	streamtest.Want(t, "frames that the second read changes", len(x.follow(edits(51))), len(first))
}

// The event of a moderator has a text that no other event has.
// One read of the log has the deletion of a comment and its return, a user's change and a later
// event with the new name. A replay that began before that read changes only its own frames.
func TestTextIndexKeepsContentThatIsAsNewAsTheChange(t *testing.T) {
	t.Parallel()
	const hello, named = `{"body":"hello","author":{"id":"ann","name":"Ann"},"status":"published"}`, `{"actor":{"id":"ann","name":"Older"}}`
	event := func(position int64, name Name, data string) Event {
		e := Event{Cursor: Cursor{1, position}, Topic: post42, Name: name, Data: Data{[]byte(data)}, Comment: 7}
		if name == userChangedName {
			e.Topic, e.Comment = Topic{}, 0
		}
		return e
	}
	index := newTextIndex()
	back := newFrame(event(4, NewCommentName, hello), 4)
	index.follow([]*Frame{
		newFrame(event(2, CommentDeletedName, `{"id":"7"}`), 4), newFrame(event(3, userChangedName, named), 4), back,
	})
	old := newFrame(event(1, NewCommentName, hello), 1)
	streamtest.Want(t, "joined", index.join([]*Frame{old}, 1), true)
	streamtest.Want(t, "the return", back.Data().String(), hello)
	streamtest.Want(t, "the replay", old.Data().String(), `{"body":"","author":null,"status":"deleted"}`)
}

func TestMemoryOfModeratorsAndPosts(t *testing.T) {
	t.Parallel()
	frame := func(topic, name string, comment, position int64, data string) *Frame {
		parsed, err := ParseTopic(topic)
		streamtest.Must(t, err)
		e := Event{Cursor: Cursor{1, position}, Topic: parsed, Name: Name{name}, Data: Data{[]byte(data)}, Comment: comment}
		return newFrame(e, position)
	}
	const held, public = `{"comment":{"body":"held","author":{"id":"ann"},"postId":"42","status":"spam"},"status":"spam"}`, `{"body":"public","author":{"id":"ann"},"status":"published"}`
	moderation := func() *Frame { return frame("site:moderation", "moderation", 7, 1, held) }
	comment := func() *Frame { return frame("post:42", "new-comment", 7, 1, public) }
	post := func() *Frame {
		return frame("post:42", "post-updated", 0, 1, `{"id":"42","url":"u","title":"t","locked":true,"authorId":"ann"}`)
	}
	for name, c := range map[string]struct {
		known *Frame
		later []*Frame
		want  string
	}{
		"HiddenCommentStaysForModerators": {moderation(), []*Frame{frame("post:42", "comment-deleted", 7, 2, `{"id":"7"}`)}, held},
		"ModeratorsFollowModerators": {
			moderation(), []*Frame{frame("site:moderation", "moderation", 7, 2, `{"comment":{"body":"","author":null,"status":"deleted"}}`)},
			`{"status":"spam","comment":{"body":"","author":null,"postId":"42","status":"deleted"}}`,
		},
		"ModeratorsFollowEdits": {
			moderation(), []*Frame{frame("post:42", "comment-updated", 7, 2, public)},
			`{"status":"spam","comment":{"body":"public","author":{"id":"ann"},"postId":"42","status":"published"}}`,
		},
		"ReadersDoNotFollowModerators": {comment(), []*Frame{frame("site:moderation", "moderation", 7, 2, held)}, public},
		"ModeratorsFollowThePost": {
			moderation(), []*Frame{frame("post:42", "post-deleted", 0, 2, `{}`)},
			`{"status":"spam","comment":{"body":"","author":null,"postId":"42","status":"deleted"}}`,
		},
		"ModeratorsFollowUsers": {
			moderation(), []*Frame{newFrame(Event{Cursor: Cursor{1, 2}, Name: userChangedName, Data: Data{[]byte(`{"actor":{"id":"ann","name":"A"}}`)}}, 2)},
			`{"status":"spam","comment":{"body":"held","author":{"id":"ann","name":"A"},"postId":"42","status":"spam"}}`,
		},
		"PostFollowsUpdates": {
			post(), []*Frame{frame("post:42", "post-updated", 0, 2, `{"id":"42","url":null,"title":"T","locked":false,"authorId":null}`)},
			`{"id":"42","url":null,"title":"T","locked":false,"authorId":null}`,
		},
		"PostDeleted": {
			post(), []*Frame{frame("post:42", "post-deleted", 0, 2, `{}`), frame("post:42", "post-updated", 0, 3, `{"id":"42","url":null,"title":null,"locked":false,"authorId":null}`)},
			`{"id":"42","url":null,"title":null,"locked":false,"authorId":null}`,
		},
		"CommentsOfADeletedPostThatIsThereAgain": {
			comment(), []*Frame{frame("post:42", "post-deleted", 0, 2, `{}`), frame("post:42", "post-updated", 0, 3, `{"id":"42","title":"new"}`)},
			`{"body":"","author":null,"status":"deleted"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			index := newTextIndex()
			index.follow([]*Frame{c.known})
			index.follow(c.later)
			streamtest.Want(t, "data", c.known.Data().String(), c.want)
		})
	}
}

// An edit of a comment does not encode the known frames about it: a long text that is edited often
// would be encoded for each of them and each edit. A frame that is read has the last text.
func TestTextIndexEncodesWhatIsRead(t *testing.T) {
	const length, known = 16 << 10, 200
	index := newTextIndex()
	edit := func(n int64) *Frame {
		text := strings.Repeat(fmt.Sprint(n%10), length)
		return newFrame(Event{
			Cursor: Cursor{1, n}, Topic: post42, Name: CommentUpdatedName, Comment: 1, Data: commentData(CommentUpdatedName, n, text),
		}, n)
	}
	var frames []*Frame
	for n := range int64(known) {
		frames = append(frames, edit(n+1))
		index.follow(frames[n:])
	}
	last := edit(known + 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	index.follow([]*Frame{last})
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > known*length/4 {
		t.Errorf("an edit with %d known frames allocates %d bytes", known, allocated)
	}
	for n, f := range frames {
		want := commentData(CommentUpdatedName, int64(n)+1, strings.Repeat(fmt.Sprint((known+1)%10), length))
		streamtest.Want(t, fmt.Sprintf("frame %d has its count and the last text", n), len(f.Data().String()), len(want.String()))
		streamtest.Want(t, "the count", strings.Contains(f.Data().String(), fmt.Sprintf(`"likeCount":%d`, n+1)), true)
		streamtest.Want(t, "the block has the data", strings.Contains(string(f.SSE()), f.Data().String()), true)
		streamtest.Want(t, "the last text", strings.Contains(f.Data().String(), strings.Repeat(fmt.Sprint((known+1)%10), length)), true)
	}
	runtime.KeepAlive(last)
}
