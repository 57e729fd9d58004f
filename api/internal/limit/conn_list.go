package limit

// A connList is a list of connections that wait for a request, the longest first. An entry
// is in up to two lists, and has a link for each, so that adding one allocates nothing.
type connList struct {
	of          listKind
	first, last *connEntry
}

// A listKind is the index of a link of an entry.
type listKind int

const (
	ofProcess listKind = iota
	ofAddress
	listKinds
)

// A link has the neighbors of an entry in a list.
type link struct{ before, after *connEntry }

// push adds an entry at the end.
func (l *connList) push(e *connEntry) {
	e.links[l.of] = link{before: l.last}
	if l.last == nil {
		l.first = e
	} else {
		l.last.links[l.of].after = e
	}
	l.last = e
}

// remove removes an entry of the list.
func (l *connList) remove(e *connEntry) {
	at := e.links[l.of]
	e.links[l.of] = link{}
	if at.before == nil {
		l.first = at.after
	} else {
		at.before.links[l.of].after = at.after
	}
	if at.after == nil {
		l.last = at.before
	} else {
		at.after.links[l.of].before = at.before
	}
}
