package verify

import (
	"encoding/json"
	"hash/maphash"
	"strconv"
	"strings"
)

// The names of what our writers publish. A burst ends with its last event; a closing
// event tells a reader that its topic has ended.
const (
	nameNote  = "verify.note"
	nameBurst = "verify.burst"
	nameLast  = "verify.burst-end"
	nameEnd   = "verify.end"
)

// A fact is what one event says, as far as two sights of it can be compared. It is
// made alike from what a reader got and from a row of the log.
type fact struct {
	topic  string
	name   string
	latest bool   // only the newest of its key counts
	key    uint64 // of latest: topic, name and what is counted
	digest uint64 // of all that identifies the event
	n      int64  // the write that caused it; 0 for what follows from writes
	count  int64  // of latest
	astray bool   // its writer addressed it to another topic
}

// said are the members of the data of all kinds of events that we look at.
type said struct {
	N         int64   `json:"n"`
	To        string  `json:"to"`
	ID        string  `json:"id"`
	PostID    string  `json:"postId"`
	CommentID *string `json:"commentId"`
	Body      string  `json:"body"`
	Kind      string  `json:"kind"`
	Count     int64   `json:"count"`
	Unread    int64   `json:"unread"`
	Version   int64   `json:"version"`
	ParentID  *string `json:"parentId"`
	Status    string  `json:"status"`
	CreatedAt string  `json:"createdAt"`
	Author    person  `json:"author"`
	Actor     person  `json:"actor"`
}

type person struct {
	ID string `json:"id"`
}

// note is the data of what we publish.
type note struct {
	N  int64  `json:"n"`
	To string `json:"to"`
}

const bodyPrefix = "verify "

// body is the text of the comment that is write n.
func body(n int64) string { return bodyPrefix + strconv.FormatInt(n, 10) + " and so on" }

// bodyNumber is the write that a comment's text names, 0 when it names none.
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

var seed = maphash.MakeSeed()

// hash is of the parts in turn, and of where each ends.
func hash(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, p := range parts {
		h.WriteString(p) // never fails
		h.WriteByte(0)
	}
	return h.Sum64()
}

// factOf reads an event. Data that is not what the name promises makes a fact that
// equals no other.
func factOf(topic, name string, data []byte) fact {
	var s said
	if err := json.Unmarshal(data, &s); err != nil {
		return fact{topic: topic, name: name, digest: hash("unreadable", string(data))}
	}
	f := fact{topic: topic, name: name, count: s.Count, n: s.N}
	comment := ""
	if s.CommentID != nil {
		comment = *s.CommentID
	}
	switch name {
	case "comment-count", "like-update":
		f.latest, f.key = true, hash(topic, name, comment)
	case "new-comment":
		f.n = bodyNumber(s.Body)
	}
	f.astray = s.To != "" && s.To != topic
	parent := ""
	if s.ParentID != nil {
		parent = *s.ParentID
	}
	f.digest = hash(topic, name, s.ID, s.PostID, comment, parent, s.Body, s.Kind, s.To, s.Status, s.CreatedAt, s.Author.ID, s.Actor.ID,
		numbers(f.n, s.Count, s.Unread, s.Version))
	return f
}

func numbers(all ...int64) string {
	b := make([]byte, 0, 48)
	for _, n := range all {
		b = append(strconv.AppendInt(b, n, 10), ',')
	}
	return string(b)
}
