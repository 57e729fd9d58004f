package migrations_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	. "github.com/tidings-live/tidings/stream/streamtest"
)

// words returns the names of two or more letters in the functions, in order: of tables, columns,
// variables.
func words(t *testing.T) (all []string) {
	t.Helper()
	files, err := filepath.Glob("functions/*.sql")
	Must(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		Must(t, err)
		code := regexp.MustCompile(`--.*|'[^']*'`).ReplaceAllString(string(text), "")
		all = append(all, regexp.MustCompile(`\b[a-z_]{2,}\b`).FindAllString(code, -1)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A site may add columns to the tables, also with the names of variables and columns in the functions.
func TestSite_ColumnsOfAnyName(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, `insert into tidings.posts (id, author_id) values ('p', 'author'), ('q', 'author')`)
	for _, table := range []string{"users", "posts", "comments", "likes", "notifications"} {
		exec(t, conn, value[string](t, conn, `
			select format('alter table tidings.%I ', $1::text) || string_agg(format('add column %I text', word), ', ')
			from unnest($2::text[]) as word
			where word not in (select attname from pg_attribute where attrelid = ('tidings.' || $1)::regclass)`, table, words(t)))
	}
	for _, write := range []string{
		comment + `; ` + comment + `; ` + comment,
		`insert into tidings.comments (post_id, author_id, body, parent_id, mentions) values ('p', 'zoe', 'x', 1, '{ann,bob}')`,
		`insert into tidings.comments (post_id, author_id, body) values ('q', 'zoe', 'x')`,
		`insert into tidings.likes (post_id, comment_id, user_id) values ('p', 1, 'bob'), ('p', null, 'bob'), ('p', null, 'ann')`,
		`update tidings.comments set body = 'edited', mentions = '{author,cat}' where id = 1`,
		`update tidings.comments set status = 'spam' where id in (1, 2)`,
		`update tidings.comments set status = 'published' where id = 1`,
		`update tidings.comments set author_id = 'zoe' where id = 1`,
		`update tidings.notifications set read_at = now() where read_at is null`,
		`update tidings.notifications set read_at = null`,
		`delete from tidings.notifications where kind = 'like'`,
		`delete from tidings.likes`,
		`update tidings.posts set title = 'Title', author_id = 'ann' where id = 'p'`,
		`update tidings.users set name = 'Zoe' where id = 'zoe'`,
		`delete from tidings.users where id = 'zoe'`,
		`delete from tidings.comments where id = 3`,
		`delete from tidings.posts where id = 'q'`,
		`select tidings.signal('post:p', 'hello', '{}'), tidings.recount()`,
	} {
		if err := try(t, conn, write); err != nil {
			t.Errorf("%s: %v", write, explain(err))
		}
	}
	countsAreRight(t, conn)
	leavesNothing(t, conn)
}
