package verify

import (
	"encoding/json"
	"hash/maphash"
	"strconv"
	"strings"
)

// The names of the events that writers publish.
const (
	nameNote     = "verify.note"
	nameBurst    = "verify.burst"     // each event of a burst
	nameBurstEnd = "verify.burst-end" // follows the last event of a burst
	nameEnd      = "verify.end"       // the last event of a topic that readers wait for
)

// An eventRule says how events with one name are checked.
type eventRule uint8

const (
	everyEvent   eventRule = iota + 1 // each one must arrive
	latestOnly                        // may be left out if a later one with the same topic, name and target arrives
	liveOnly                          // not in the log: may be lost, is checked for leaks only
	controlEvent                      // describes the stream itself: see reader.take
)

// rules has all event names that Tidings gives. A test compares them with
// stream.EventKinds: a new name needs a rule here and, if its data identifies the
// event by other members than the existing ones, more members in payload. Events with
// other names, which tidings.publish allows, follow everyEvent.
var rules = map[string]eventRule{
	"new-comment":       everyEvent,
	"comment-updated":   everyEvent,
	"comment-deleted":   everyEvent,
	"comment-count":     latestOnly,
	"like-update":       latestOnly,
	"post-updated":      everyEvent,
	"post-deleted":      everyEvent,
	"notification":      everyEvent,
	"liked":             everyEvent,
	"moderation":        everyEvent,
	"typing":            liveOnly,
	"presence":          liveOnly,
	"stream.ready":      controlEvent,
	"stream.gap":        controlEvent,
	"stream.checkpoint": controlEvent,
	"stream.expiring":   controlEvent,
	"stream.bye":        controlEvent,
	"stream.ping":       controlEvent,
}

// A summary is the part of an event that is compared. It is the same for an event that
// a reader got and for the row of the log that the event came from.
type summary struct {
	topic     string
	name      string
	latest    bool   // may be left out: see latestOnly
	key       uint64 // of latest-only events: hash of topic, name and target
	digest    uint64 // hash of everything that is compared, without text
	text      text   // of new-comment and comment-updated
	comment   string // id of the comment of these two
	n         int64  // number of the write that caused it; 0: not a numbered write
	count     int64  // of latest-only events
	misrouted bool   // the writer addressed it to another topic
}

// A text is what an event says of its comment as it is when the event is read. The zero text is
// that of a comment that was removed, and of other events.
type text struct {
	hash    uint64
	version int64
}

// payload has the members of the data of all kinds of events that are compared.
type payload struct {
	N         int64   `json:"n"`
	To        string  `json:"to"`
	ID        string  `json:"id"`
	PostID    string  `json:"postId"`
	CommentID *string `json:"commentId"`
	Body      string  `json:"body"`
	Kind      string  `json:"kind"`
	Count     int64   `json:"count"`
	Unread    int64   `json:"unread"`
	Liked     bool    `json:"liked"`
	Version   int64   `json:"version"`
	ParentID  *string `json:"parentId"`
	Status    string  `json:"status"`
	CreatedAt string  `json:"createdAt"`
	Author    user    `json:"author"`
	Actor     user    `json:"actor"`
}

type user struct {
	ID string `json:"id"`
}

// note is the data of the events that writers publish.
type note struct {
	N  int64  `json:"n"`  // number of the write
	To string `json:"to"` // the topic it is published to
}

const (
	bodyPrefix = "verify "
	userPrefix = "verify-" // of the ids of all users of a run
)

// body is the text of the comment of write n.
func body(n int64) string { return bodyPrefix + strconv.FormatInt(n, 10) + " and so on" }

// bodyNumber is the number of the write whose comment has this text. It returns 0 for
// other texts.
func bodyNumber(text string) int64 {
	rest, ok := strings.CutPrefix(text, bodyPrefix)
	if !ok {
		return 0
	}
	number, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

var hashSeed = maphash.MakeSeed()

// hash is a hash of the parts and of their boundaries.
func hash(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	for _, p := range parts {
		h.WriteString(p) // never fails
		h.WriteByte(0)
	}
	return h.Sum64()
}

// summarize makes the summary of an event. Data that is no JSON object with the
// expected types makes a summary that differs from that of any readable event.
func summarize(topic, name string, data []byte) summary {
	var p payload
	if err := json.Unmarshal(data, &p); err != nil {
		return summary{topic: topic, name: name, digest: hash("unreadable", string(data))}
	}
	s := summary{topic: topic, name: name, count: p.Count, n: p.N}
	comment := ""
	if p.CommentID != nil {
		comment = *p.CommentID
	}
	if rules[name] == latestOnly {
		s.latest, s.key = true, hash(topic, name, comment)
	}
	if name == "new-comment" && strings.HasPrefix(p.Author.ID, userPrefix) {
		s.n = bodyNumber(p.Body) // another user may repeat the text of a comment
	}
	s.misrouted = p.To != "" && p.To != topic
	parent := ""
	if p.ParentID != nil {
		parent = *p.ParentID
	}
	if name == "new-comment" || name == "comment-updated" {
		s.comment = p.ID
		if p.Status != "deleted" {
			s.text = text{hash(p.Body, p.Status, p.Author.ID), p.Version}
		}
		p.Body, p.Status, p.Author.ID, p.Version = "", "", "", 0
	}
	s.digest = hash(topic, name, p.ID, p.PostID, comment, parent, p.Body, p.Kind, p.To, p.Status, p.CreatedAt, p.Author.ID, p.Actor.ID,
		strconv.FormatBool(p.Liked), numbers(p.N, p.Count, p.Unread, p.Version))
	return s
}

// sameText reports whether two reads of one event may have these texts. A comment that was
// changed or removed between the reads has two versions, or a text in one of them.
func sameText(a, b text) bool { return a == b || a == text{} || b == text{} || a.version != b.version }

// numbers writes integers as text for hash.
func numbers(all ...int64) string {
	b := make([]byte, 0, 48)
	for _, n := range all {
		b = append(strconv.AppendInt(b, n, 10), ',')
	}
	return string(b)
}
