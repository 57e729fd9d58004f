package main

import (
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Events of other transactions arrive while a transaction is open. The events of that
// transaction arrive when it commits, after all that were committed before.
func TestOpenTransaction_DelaysNoOtherEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t, s.concurrent), s.start(t, s.concurrent)
	s.exec(t, `insert into tidings.posts (id) values ('a'), ('b')`)
	topics := []string{"post:a", "post:b"}
	taps := tapsOn(t, "now", topics, one, two)

	long, err := s.sql.Begin(t.Context())
	streamtest.Must(t, err)
	defer long.Rollback(t.Context()) //nolint:errcheck // it was committed
	_, err = long.Exec(t.Context(), `insert into tidings.comments (post_id, author_id, body) values ('a', 'lea', 'began first')`)
	streamtest.Must(t, err)
	comment(t, one.as(t, "ann"), "a", "meanwhile at one")
	comment(t, two.as(t, "ben"), "b", "meanwhile at two")
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('a', 'cat', 'meanwhile in SQL')`)
	meanwhile := s.logged(t, topics...)
	s.end(t, "post:b")
	for _, x := range taps {
		got := x.wants(t, meanwhile)
		streamtest.Want(t, x.name, bodies(got), []string{"meanwhile at one", "meanwhile at two", "meanwhile in SQL"})
	}

	_, err = long.Exec(t.Context(), `insert into tidings.comments (post_id, author_id, body) values ('b', 'lea', 'committed last')`)
	streamtest.Must(t, err)
	streamtest.Must(t, long.Commit(t.Context()))
	s.end(t, "post:a")
	log := s.logged(t, topics...)
	last := after(t, log, meanwhile[len(meanwhile)-1].ID)
	streamtest.Want(t, "its events", bodies(last), []string{"began first", "committed last"})
	for _, x := range taps {
		x.wants(t, last)
	}

	// A reader can resume from each cursor that any reader got, on either transport of
	// either instance.
	s.exec(t, `select tidings.publish('post:a', 'all-of-it', '{}')`)
	for cursor := range allCursors(taps) {
		for _, x := range tapsOn(t, cursor, topics, one, two) {
			got, err := x.upTo("all-of-it")
			streamtest.Must(t, err)
			if err := compare(got, after(t, log, cursor), x.exact); err != nil {
				t.Errorf("%s from %s: %v", x.name, cursor, err)
			}
		}
	}
	if n := len(allCursors(taps)); n <= len(log) {
		t.Errorf("readers got only %d cursors for %d events", n, len(log))
	}
}

// allCursors returns the cursors that the taps got.
func allCursors(taps []*tap) map[string]bool {
	cursors := make(map[string]bool)
	for _, x := range taps {
		for _, cursor := range x.cursors {
			cursors[cursor] = true
		}
	}
	return cursors
}
