package migrations_test

import (
	"strings"
	"testing"
)

func TestGrammar_OfIds(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	places := map[string]string{
		"users_id_grammar":        `insert into tidings.users (id, name) values ($1, 'x')`,
		"posts_id_grammar":        `insert into tidings.posts (id) values ($1)`,
		"posts_author_grammar":    `insert into tidings.posts (id, author_id) values ('authored', $1) on conflict (id) do update set author_id = $1`,
		"comments_author_grammar": `insert into tidings.comments (post_id, author_id, body) values ('p', $1, 'x')`,
		"likes_user_grammar":      `insert into tidings.likes (post_id, user_id) values ('p', $1)`,
		"posts_id_grammar ":       `insert into tidings.comments (post_id, author_id, body) values ($1, 'ann', 'x')`,
		"posts_id_grammar  ":      `insert into tidings.likes (post_id, user_id) values ($1, 'ann')`,
	}
	good := []string{
		"a", "0", "...", ".a", "auth0|5f", "ann@example.com", "https://example.com/a/b,c", "a+b=c~d:e_f",
		"guest:1", strings.Repeat("x", 255), "/", "../..", "-.",
		"/a/b/?p=12", "%D0%B0", "o'brien@x.org", "a#b", "a[b]", "a!$&()*+,;=b", "--", "**",
	}
	bad := []string{
		"", ".", "..", " ", "a b", "a\n", "\na", "a\nb", "a\r", "a\t", "é", "a\u2028", "😀", "\u200b", "\uff41", "\u0130", "\u017f", "\u212a",
		"-", "*", "a\\b", `a"b`, "a<b", "a>b", "a{b", "a}b", "a^b", "a`b",
		"\x01", "\x7f", strings.Repeat("x", 513), strings.Repeat("é", 100),
	}
	for constraint, insert := range places {
		t.Run(constraint, func(t *testing.T) {
			for _, id := range good {
				exec(t, conn, `begin`)
				exec(t, conn, insert, id)
				exec(t, conn, `rollback`)
			}
			for _, id := range bad {
				err := refused(t, conn, "23514", insert, id)
				if want := strings.TrimSpace(constraint); err.ConstraintName != want {
					t.Errorf("%q: refused by %s, not %s", id, err.ConstraintName, want)
				}
			}
		})
	}
}

func TestGrammar_OfValues(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, comment+`; insert into tidings.notifications (user_id, kind, post_id, actor_id) values ('ann', 'like', 'p', 'bob')`)
	for _, c := range []struct {
		update string
		good   []string
		bad    []string
	}{
		{
			`update tidings.comments set body = $1`,
			[]string{"x", " x ", "\nx", ".", "👩\u200d💻", "\u200bx", strings.Repeat("x", 5000), strings.Repeat("😀", 5000)},
			[]string{"", " ", "\n", " \t\r\n\v\f ", "\u200b", "\u2800\u3164\ufe0f\u00ad", strings.Repeat("x", 5001), strings.Repeat("é", 5001), strings.Repeat(" ", 10)},
		},
		{
			`update tidings.comments set status = $1 where false or status <> 'deleted'`,
			[]string{"pending", "rejected", "spam", "published"},
			[]string{"", "draft", "Published"},
		},
		{
			`insert into tidings.comments (post_id, author_id, body, created_at) values ('p', 'ann', 'x', $1::text::timestamptz)`,
			[]string{"0001-01-01 00:00Z", "9999-12-31 23:59:59.999999Z"},
			[]string{"infinity", "-infinity", "0001-12-31 BC", "10000-01-01 00:00Z"},
		},
		{`update tidings.comments set edited_at = $1::text::timestamptz`, []string{"2026-01-01"}, []string{"infinity", "4000-01-01 BC"}},
		{`update tidings.notifications set created_at = $1::text::timestamptz`, []string{"2026-01-01"}, []string{"infinity", "4000-01-01 BC"}},
		{`update tidings.notifications set read_at = $1::text::timestamptz`, []string{"2026-01-01"}, []string{"-infinity", "20000-01-01"}},
		{`update tidings.posts set created_at = $1::text::timestamptz`, []string{"2026-01-01"}, []string{"infinity", "4000-01-01 BC"}},
		{`update tidings.posts set title = $1`, []string{"", strings.Repeat("é", 500)}, []string{strings.Repeat("x", 501)}},
		{`update tidings.posts set url = $1`, []string{"", strings.Repeat("x", 2000)}, []string{strings.Repeat("x", 2001), strings.Repeat("é", 1001)}},
		{`update tidings.users set name = $1`, []string{"x", strings.Repeat("é", 200)}, []string{"", " ", "\u200d", strings.Repeat("x", 201)}},
		{`update tidings.users set avatar_url = $1`, []string{"", strings.Repeat("x", 2000)}, []string{strings.Repeat("x", 2001)}},
	} {
		t.Run(c.update, func(t *testing.T) {
			for _, v := range c.good {
				exec(t, conn, c.update, v)
			}
			for _, v := range c.bad {
				refused(t, conn, "23514", c.update, v)
			}
		})
	}
}

// A deleted comment has no body, so it needs a body to be published again.
func TestGrammar_OfDeletedComments(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, comment+`; update tidings.comments set status = 'deleted'`)
	refused(t, conn, "23514", `update tidings.comments set status = 'published'`)
	exec(t, conn, `update tidings.comments set status = 'published', body = 'back'`)
	countsAreRight(t, conn)
}
