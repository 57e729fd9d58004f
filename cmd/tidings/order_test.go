package main

import "testing"

// A transaction that began first and commits last holds up nobody, and its own
// events come at its commit, behind what was committed meanwhile.
func TestLongTransaction(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t), s.start(t)
	s.exec(t, `insert into tidings.posts (id) values ('a'), ('b')`)
	topics := []string{"post:a", "post:b"}
	taps := tapsOn(t, "now", topics, one, two)

	long, err := s.sql.Begin(t.Context())
	must(t, err)
	defer long.Rollback(t.Context()) //nolint:errcheck // it was committed
	_, err = long.Exec(t.Context(), `insert into tidings.comments (post_id, author_id, body) values ('a', 'lea', 'began first')`)
	must(t, err)
	comment(t, one.as(t, "ann"), "a", "meanwhile at one")
	comment(t, two.as(t, "ben"), "b", "meanwhile at two")
	s.exec(t, `insert into tidings.comments (post_id, author_id, body) values ('a', 'cat', 'meanwhile in SQL')`)
	meanwhile := s.logged(t, topics...)
	s.end(t, "post:b")
	for _, x := range taps {
		got := x.wants(t, meanwhile)
		want(t, x.name, bodies(got), []string{"meanwhile at one", "meanwhile at two", "meanwhile in SQL"})
	}

	_, err = long.Exec(t.Context(), `insert into tidings.comments (post_id, author_id, body) values ('b', 'lea', 'committed last')`)
	must(t, err)
	must(t, long.Commit(t.Context()))
	s.end(t, "post:a")
	log := s.logged(t, topics...)
	last := after(t, log, meanwhile[len(meanwhile)-1].ID)
	want(t, "its events", bodies(last), []string{"began first", "committed last"})
	for _, x := range taps {
		x.wants(t, last)
	}

	// Whatever cursor anybody was given, on either transport of either instance.
	s.exec(t, `select tidings.publish('post:a', 'all-of-it', '{}')`)
	for cursor := range given(taps) {
		for _, x := range tapsOn(t, cursor, topics, one, two) {
			got, err := x.upTo("all-of-it")
			must(t, err)
			if err := compare(got, after(t, log, cursor), x.exact); err != nil {
				t.Errorf("%s from %s: %v", x.name, cursor, err)
			}
		}
	}
	if n := len(given(taps)); n <= len(log) {
		t.Errorf("only %d cursors were given for %d events", n, len(log))
	}
}

// given are the cursors that the taps came by.
func given(taps []*tap) map[string]bool {
	cursors := make(map[string]bool)
	for _, x := range taps {
		for _, cursor := range x.cursors {
			cursors[cursor] = true
		}
	}
	return cursors
}
