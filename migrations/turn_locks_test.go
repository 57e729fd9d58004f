package migrations_test

import (
	"testing"

	. "github.com/tidings-live/tidings/stream/streamtest"
)

// While a table is locked, because it is altered or because a role with a right on it locks
// it, writes that need the table wait without the turn. So the others can commit.
func TestFlush_WaitsForNoTableWithTheTurn(t *testing.T) {
	t.Parallel()

	db := share(t, 4)
	writes := []string{
		comment,
		`insert into tidings.comments (post_id, author_id, body, parent_id) values ('p', 'zoe', 'x', 1)`,
		`update tidings.comments set body = 'edited' where id = 1`,
		`update tidings.comments set status = 'spam' where id = 1`,
		`update tidings.comments set status = 'published' where id = 1`,
		`update tidings.comments set created_at = created_at - interval '1 hour' where id = 2`,
		`delete from tidings.comments where id = 3`,
		`insert into tidings.likes (post_id, user_id) values ('p', 'zoe')`,
		`insert into tidings.likes (post_id, comment_id, user_id) values ('p', 1, 'zoe')`,
		`delete from tidings.likes where user_id = 'zoe'`,
		`update tidings.notifications set read_at = now() where read_at is null`,
		`update tidings.notifications set read_at = null`,
		`delete from tidings.notifications`,
		`update tidings.posts set title = 'Title' where id = 'p'`,
		`update tidings.users set name = 'Zoe' where id = 'zoe'`,
		`delete from tidings.users where id = 'zoe'`,
		`delete from tidings.posts where id = 'q'`,
		`select tidings.recount()`,
	}
	for _, table := range []string{"users", "posts", "comments", "likes", "notifications"} {
		t.Run(table, func(t *testing.T) {
			conn, holder, other, watch := db.again(t), db[1], db[2], db[3]
			exec(t, conn, `insert into tidings.posts (id, author_id) values ('p', 'author'), ('q', 'author');
				insert into tidings.comments (post_id, author_id, body, status) values
					('p', 'ann', 'x', 'published'), ('p', 'ann', 'x', 'spam'), ('p', 'ann', 'x', 'published'), ('q', 'ann', 'x', 'published');
				insert into tidings.likes (post_id, comment_id, user_id) values ('p', 1, 'bob'), ('p', 3, 'bob'), ('q', null, 'bob')`)
			for _, write := range writes {
				exec(t, holder, `begin; lock table tidings.`+table)
				done := start(t, conn, write)
				Eventually(t, write+" waits or ends", func() bool {
					return len(done) > 0 || isBlocked(t, watch, conn, holder)
				})
				if turnIsTaken(t, watch) {
					t.Errorf("%s: the turn is held while %s is locked", write, table)
				} else {
					exec(t, other, `set lock_timeout = '60s'; select tidings.publish('room:1', 'news', '{}')`)
				}
				exec(t, holder, `commit`)
				if err := <-done; err != nil {
					t.Errorf("%s: %v", write, explain(err))
				}
			}
		})
	}
}
