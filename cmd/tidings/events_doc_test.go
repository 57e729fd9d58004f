package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/streamtest"
)

const eventsFile = "../../docs/events.md"

// docs/events.md has a section and a row of the table for every event, in the order of
// stream.EventKinds, and says of each what stream.EventKinds says.
func TestEventsAreDocumented(t *testing.T) {
	t.Parallel()
	var names, rows []string
	for _, k := range stream.EventKinds {
		kind := "ephemeral"
		switch {
		case k.Durable:
			kind = "durable"
		case k.Control:
			kind = "control"
		}
		if k.LatestOnly {
			kind += ", latest-only"
		}
		names = append(names, k.Name.String())
		rows = append(rows, fmt.Sprintf("%s %s", k.Name, kind))
	}
	document := readText(t, eventsFile)
	streamtest.Want(t, "the sections", found(document, `(?m)^## ([a-z].*)$`), names)
	streamtest.Want(t, "the rows of the table", found(document, "(?m)^\\| \\[`([a-z.-]+)`\\]\\(#[a-z-]+\\) \\| ([a-z, -]+?) \\|"), rows)
}

// docs/events.md has every reason of stream.gap and stream.bye, in the order of the code.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	document := readText(t, eventsFile)
	section := func(name string) string {
		_, text, _ := strings.Cut(document, "\n## "+name+"\n")
		text, _, _ = strings.Cut(text, "\n## ")
		return text
	}
	var gaps, byes []string
	for _, reason := range stream.GapReasons {
		gaps = append(gaps, string(reason))
	}
	for _, reason := range stream.ByeReasons {
		byes = append(byes, string(reason))
	}
	streamtest.Want(t, "the reasons of stream.gap", found(section("stream.gap"), "`([a-z]+)` \\("), gaps)
	streamtest.Want(t, "the reasons of stream.bye", found(section("stream.bye"), "(?m)^\\| `([a-z]+)` \\| [a-z]"), byes)
}

// The README names every event.
func TestREADMENamesEveryEvent(t *testing.T) {
	t.Parallel()
	document := readText(t, "../../README.md")
	for _, k := range stream.EventKinds {
		if !strings.Contains(document, "`"+k.Name.String()+"`") {
			t.Errorf("the README does not name %s", k.Name)
		}
	}
}

// Every example in docs/events.md has the fields and types of an event that the server
// sends, and every event that it sends has the fields of an example.
func TestDocumentedDataIsWhatTheServerSends(t *testing.T) {
	t.Parallel()
	sent := make(map[string][]string) // by name, the shapes of the data
	for _, ev := range everyEvent(t) {
		var data any
		streamtest.Must(t, json.Unmarshal(ev.Data, &data))
		if s := shape(data); !slices.Contains(sent[ev.Name], s) {
			sent[ev.Name] = append(sent[ev.Name], s)
		}
	}
	documented := make(map[string][]string)
	for _, section := range strings.Split(readText(t, eventsFile), "\n## ")[1:] {
		name, _, _ := strings.Cut(section, "\n")
		for _, example := range found(section, "(?s)```json\n(.*?)\n```") {
			var data any
			streamtest.Must(t, json.Unmarshal([]byte(example), &data))
			documented[name] = append(documented[name], shape(data))
		}
	}
	for _, k := range stream.EventKinds {
		name := k.Name.String()
		streamtest.Want(t, "the data of "+name, sorted(sent[name]), sorted(documented[name]))
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}

// shape describes the fields and types of a JSON value. A value that can be null or a
// string has one shape.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var fields []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			fields = append(fields, name+": "+shape(v[name]))
		}
		return "{" + strings.Join(fields, ", ") + "}"
	case []any:
		if len(v) == 0 {
			return "[]"
		}
		return "[" + shape(v[0]) + "]"
	case nil, string:
		return "string"
	default:
		return fmt.Sprintf("%T", v)
	}
}

// everyEvent causes every kind of event and returns those that readers got.
func everyEvent(t *testing.T) []client.Event {
	t.Helper()
	s := newSite(t)
	srv := s.start(t, func(i *instance) { i.Heartbeat = 200 * time.Millisecond })
	ctx := patient(t)
	ben := srv.as(t, "ben")
	ann := srv.as(t, "ann")
	reader := open(t, ann, "now", "post:demo", "me")
	quiet := open(t, srv.Client, "now", "post:quiet")
	mia := srv.as(t, "mia", auth.RoleModerator)
	moderators := open(t, mia, "now", "site:moderation")
	bens := open(t, ben, "now", "me")

	post := client.PostInput{AuthorID: client.Value("ann")}
	_, err := srv.as(t, "backend", "service").PutPost(ctx, "demo", post)
	streamtest.Must(t, err)
	own := comment(t, ann, "demo", "Ann's")
	reply, err := ben.CreateComment(ctx, "demo", client.NewComment{Body: "Ben's", ParentID: &own.ID})
	streamtest.Must(t, err)
	s.exec(t, `update tidings.comments set body = 'edited' where id = $1`, own.ID)
	_, err = ben.LikePost(ctx, "demo")
	streamtest.Must(t, err)
	s.exec(t, `insert into tidings.likes (post_id, comment_id, user_id) values ('demo', $1, 'ben')`, own.ID)
	all := readUntil(t, reader, "stream.ready", "post-updated", "new-comment", "new-comment", "comment-updated", "comment-count",
		"like-update", "like-update", "notification", "notification", "notification", "stream.ping")
	_, err = ben.UnlikePost(ctx, "demo")
	streamtest.Must(t, err)
	_, err = ben.LikePost(ctx, "demo")
	streamtest.Must(t, err)
	all = append(all, readUntil(t, bens, "liked", "liked", "liked", "liked")...)
	s.exec(t, `insert into tidings.comments (id, post_id, author_id, body, status) values (1000, 'demo', 'ben', 'held', 'pending')`)
	_, err = mia.SetStatus(ctx, "1000", "spam")
	streamtest.Must(t, err)
	all = append(all, readUntil(t, moderators, "moderation", "moderation")...)
	streamtest.Must(t, ann.DeleteComment(ctx, own.ID))   // leaves a tombstone
	streamtest.Must(t, ben.DeleteComment(ctx, reply.ID)) // withdraws its notification; its events have no text any more
	s.exec(t, `update tidings.notifications set read_at = now()`)
	all = append(all, readUntil(t, reader, "comment-deleted", "comment-deleted", "comment-deleted", "notification", "notification")...)
	all = append(all, readUntil(t, open(t, srv.Client, "earliest", "post:demo"), "comment-deleted")...)
	streamtest.Must(t, ben.Typing(ctx, "demo"))
	all = append(all, readUntil(t, reader, "typing")...)
	s.exec(t, `delete from tidings.posts where id = 'demo'`)
	all = append(all, readUntil(t, reader, "post-deleted")...)
	all = append(all, presenceEvents(t, srv)...)
	all = append(all, readUntil(t, quiet, "stream.checkpoint")...)
	all = append(all, readUntil(t, openWithShortToken(t, srv), "stream.expiring")...)
	all = append(all, readUntil(t, open(t, srv.Client, "1-1000000", "post:demo"), "stream.gap")...)
	last := open(t, srv.Client, "now", "post:demo")
	readUntil(t, last, "stream.ready")
	srv.stop()
	return append(all, readUntil(t, last, "stream.bye")...)
}

// presenceEvents returns a presence event with a user that came and one that went. The two
// may be in different events, so it tries with other users until they are in one.
func presenceEvents(t *testing.T, srv *server) []client.Event {
	t.Helper()
	watcher, err := srv.Stream(patient(t), []string{"post:presence"}, "now", client.WithPresence())
	streamtest.Must(t, err)
	defer watcher.Close()
	for n := 0; ; n++ {
		first := open(t, srv.as(t, fmt.Sprint("first-", n)), "now", "post:presence")
		readUntil(t, watcher, "presence")
		open(t, srv.as(t, fmt.Sprint("second-", n)), "now", "post:presence")
		first.Close()
		all := readUntil(t, watcher, "presence")
		event := all[len(all)-1]
		if hints := decode[struct{ Joined, Left []client.Viewer }](t, event); len(hints.Joined) > 0 && len(hints.Left) > 0 {
			return []client.Event{event}
		}
	}
}

// openWithShortToken opens a stream that gets a stream.expiring soon: the server sends it
// 30 s before the token ends, to streams that were opened before that.
func openWithShortToken(t *testing.T, srv *server) *client.Stream {
	t.Helper()
	for {
		expires := time.Now().Truncate(time.Second).Add(32 * time.Second)
		reader := open(t, srv.As(token(t, auth.Identity{Subject: "ann", Expires: expires})), "now", "me")
		readUntil(t, reader, "stream.ready")
		if time.Until(expires) > 30*time.Second {
			return reader
		}
	}
}

func open(t *testing.T, c *client.Client, cursor string, topics ...string) *client.Stream {
	t.Helper()
	s, err := c.Stream(patient(t), topics, cursor, client.WithParam("heartbeat", "event"))
	streamtest.Must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// readUntil reads events until each of the names has come, as often as it is listed.
func readUntil(t *testing.T, s *client.Stream, names ...string) (all []client.Event) {
	t.Helper()
	for len(names) > 0 {
		ev, err := s.Next()
		if err != nil {
			t.Fatalf("%v, before %v", err, names)
		}
		all = append(all, ev)
		if i := slices.Index(names, ev.Name); i >= 0 {
			names = slices.Delete(names, i, i+1)
		}
	}
	return all
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	streamtest.Must(t, err)
	return string(text)
}

// found returns the groups of all matches, joined by a space.
func found(text, pattern string) []string {
	var all []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, strings.Join(match[1:], " "))
	}
	return all
}
