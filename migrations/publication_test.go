package migrations_test

import (
	"testing"

	"github.com/tidings-live/tidings/migrations"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

// Postgres refuses UPDATE and DELETE of a table that is published and has no replica
// identity. Unlogged tables are never published, but may be made logged.
func TestPublication_EachTableHasAReplicaIdentity(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	without := list[string](t, conn, `
		select relname
		from pg_class
		where relnamespace = 'tidings'::regnamespace
			and relkind in ('r', 'p')
			and not (
				relreplident = 'f'
				or relreplident = 'd' and exists (select from pg_index where indrelid = pg_class.oid and indisprimary)
				or relreplident = 'i' and exists (select from pg_index where indrelid = pg_class.oid and indisreplident)
			)
		order by 1`)
	if len(without) > 0 {
		t.Errorf("these have none: %q", without)
	}
}

func TestPublication_ForAllTablesBreaksNothing(t *testing.T) {
	t.Parallel()

	conn, dsn := database(t)
	exec(t, conn, `create publication everything for all tables`)
	// A program that copies data leaves other identities. The next start restores ours.
	exec(t, conn, `
		alter table tidings.likes replica identity default;
		alter table tidings.comments replica identity nothing;
		alter table tidings.turn replica identity nothing`)
	up(t, dsn)
	exec(t, conn, ann+`
		insert into tidings.posts (id, author_id) values ('p', 'pia');
		insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'x'), (2, 'p', 'bob', 'y');
		insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'bob'), ('p', 1, 'bob'), ('p', 2, 'ann')`)
	for _, sql := range []string{
		`update tidings.likes set created_at = now()`,
		`delete from tidings.likes where user_id = 'bob' and comment_id is null`,
		`update tidings.comments set body = 'z' where id = 1`,
		`update tidings.comments set status = 'pending' where id = 1`,
		`delete from tidings.comments where id = 2`,
		`update tidings.notifications set read_at = now()`,
		`delete from tidings.notifications`,
		`select tidings.recount()`,
		`select tidings.new_epoch()`,
		`delete from tidings.posts`,
		`delete from tidings.users`,
		`delete from tidings.events`,
		`delete from tidings.counts`,
		`delete from tidings.idempotency; delete from tidings.tickets`,
	} {
		exec(t, conn, sql)
	}
	release := made(t, map[string]string{"schema/1000_x.sql": `
		create table tidings.x (id bigint primary key);
		alter table tidings.likes add column x integer;
		update tidings.likes set x = 1;
		update tidings.epochs set created_at = now()`})
	Must(t, migrations.Apply(t.Context(), dsn, release, silent))
	works(t, dsn)
}
