package migrations_test

import (
	"slices"
	"testing"
)

func TestUnknown_PostsAndUsersAreCreatedByTheirFirstMention(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, `insert into tidings.posts (id, title) values ('known', 'Known')`)
	exec(t, conn, `insert into tidings.users (id, name) values ('kim', 'Kim')`)
	exec(t, conn, `insert into tidings.comments (post_id, author_id, body) values
		('known', 'kim', 'x'), ('known', 'ann', 'x'), ('new', 'kim', 'x'), ('new', 'bob', 'x'), ('new', 'bob', 'y')`)
	exec(t, conn, `insert into tidings.likes (post_id, user_id) values ('liked', 'cy')`)
	exec(t, conn, `update tidings.comments set author_id = 'dee' where author_id = 'ann'`)

	posts := list[string](t, conn, `select id || ' ' || coalesce(title, '-') from tidings.posts order by id`)
	if want := []string{"known Known", "liked -", "new -"}; !slices.Equal(posts, want) {
		t.Errorf("posts %q, want %q", posts, want)
	}
	users := list[string](t, conn, `select id || ' ' || name from tidings.users order by id`)
	if want := []string{"ann ann", "bob bob", "cy cy", "dee dee", "kim Kim"}; !slices.Equal(users, want) {
		t.Errorf("users %q, want %q", users, want)
	}
}

func TestUnknown_APostDeletedBeforeCommitIsAnError(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	other := connect(t, dsn)
	exec(t, conn, `insert into tidings.posts (id) values ('p')`)
	exec(t, conn, `begin; `+comment)
	exec(t, other, `delete from tidings.posts where id = 'p'`)
	refused(t, conn, "23503", `commit`)
	countsAreRight(t, other)
}

// Two statements create the same posts and users in the same order, however their rows are
// sorted. So one waits for the other, and they do not deadlock.
func TestUnknown_ConcurrentCreatorsDoNotDeadlock(t *testing.T) {
	t.Parallel()

	db := share(t, 4)
	for name, c := range map[string]struct{ known, hold string }{
		"Posts": {``, `insert into tidings.posts (id) values ('m')`},
		"Users": {`insert into tidings.posts (id) values ('a'), ('m'), ('z')`, `insert into tidings.users (id, name) values ('m', 'M')`},
	} {
		for verb, insert := range map[string]string{
			"Comments": `insert into tidings.comments (post_id, author_id, body) select id, id, 'x' from unnest($1::text[]) as id`,
			"Likes":    `insert into tidings.likes (post_id, user_id) select id, id from unnest($1::text[]) as id on conflict do nothing`,
		} {
			t.Run(name+"Of"+verb, func(t *testing.T) {
				holder, first, second, watch := db.again(t), db[1], db[2], db[3]
				exec(t, watch, c.known)
				exec(t, holder, `begin; `+c.hold) // the first waits for it after its first row, which the second waits for
				up := start(t, first, insert, []string{"a", "m", "z"})
				awaitBlocked(t, watch, first, holder)
				down := start(t, second, insert, []string{"z", "m", "a"})
				awaitBlocked(t, watch, second, first)
				exec(t, holder, `rollback`)
				for _, done := range []<-chan error{up, down} {
					if err := <-done; err != nil {
						t.Fatal(explain(err))
					}
				}
				countsAreRight(t, watch)
			})
		}
	}
}

func TestUnknown_CreatingAPostDelaysNoCommentOnAnotherPost(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	other := connect(t, dsn)
	exec(t, conn, `begin; `+comment)
	exec(t, other, `set lock_timeout = '5s'`)
	exec(t, other, `insert into tidings.comments (post_id, author_id, body) values ('q', 'bob', 'x')`)
	exec(t, other, `insert into tidings.likes (post_id, user_id) values ('q', 'cy')`)
	exec(t, conn, `commit`)

	// A post that exists delays none of its comments either.
	exec(t, conn, `begin; `+comment)
	exec(t, other, comment)
	exec(t, conn, `commit`)
	countsAreRight(t, other)
}
