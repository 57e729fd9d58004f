package store_test

import (
	"testing"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// The schema and the API agree on which characters can be seen.
func TestVisible_IsTheRuleOfTheSchema(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	rule := value[string](t, d, `
		select (regexp_match(pg_get_functiondef('tidings.comments_checked'::regproc), 'body ~ (''[^'']*'')'))[1]`)
	changes := value[[]int32](t, d, `
		select array_agg(n order by n)
		from (
			select n, seen, lag(seen, 1, false) over (order by n) as before
			from (select n, chr(n) ~ `+rule+` as seen from generate_series(1, 1114111) as n where n not between 55296 and 57343) as c
		) as c
		where seen <> before`)
	visible, differ := false, 0
	for r := rune(1); r <= 0x10ffff; r++ {
		if r >= 0xd800 && r <= 0xdfff {
			continue
		}
		if len(changes) > 0 && changes[0] == r {
			visible, changes = !visible, changes[1:]
		}
		if got := store.Visible(string(r)); got != visible && differ < 20 {
			t.Errorf("%U is visible in Go: %v, in SQL: %v", r, got, visible)
			differ++
		}
	}
	names := value[bool](t, d, `
		select strpos(pg_get_constraintdef(oid), $1) > 0
		from pg_constraint
		where conname = 'users_name_length'`, rule)
	streamtest.Want(t, "names have the same rule", names, true)
}
