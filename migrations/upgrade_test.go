package migrations_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/migrations"
	"github.com/tidings-live/tidings/store/storetest"
	. "github.com/tidings-live/tidings/stream/streamtest"
)

// firstRelease returns the tables of version 0.1.0, without triggers.
func firstRelease(t *testing.T) fs.FS {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"schema", "functions"} {
		Must(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
	}
	list, err := os.ReadFile("released.sha256")
	Must(t, err)
	for line := range strings.Lines(string(list)) {
		if _, name, _ := strings.Cut(strings.TrimSpace(line), "  "); name < "0004" {
			Must(t, os.WriteFile(filepath.Join(dir, "schema", name), []byte(text(t, "schema/"+name)), 0o600))
		}
	}
	Must(t, os.WriteFile(filepath.Join(dir, "functions", "rfc3339.sql"), []byte(text(t, "functions/rfc3339.sql")), 0o600))
	Must(t, os.WriteFile(filepath.Join(dir, "functions", "VERSION"), []byte("version 1\n"), 0o600))
	return os.DirFS(dir)
}

// firstRows are rows as the triggers of version 0.1.0 left them:
//
//	1 ← 2 ← 3 ← 4: 2 is deleted and 3 is spam, so both are tombstones
//	5 ← 6: both are hidden
//	7: pending
const firstRows = `
	insert into tidings.users (id, name) values ('ann', 'Ann'), ('bob', 'Bob');
	insert into tidings.posts (id) values ('p');
	insert into tidings.comments (id, post_id, parent_id, author_id, body, status) values
		(1, 'p', null, 'ann', 'x', 'published'), (2, 'p', 1, 'ann', '', 'deleted'), (3, 'p', 2, 'ann', 'x', 'spam'),
		(4, 'p', 3, 'ann', 'x', 'published'), (5, 'p', null, 'ann', 'x', 'spam'), (6, 'p', 5, 'ann', 'x', 'pending'),
		(7, 'p', null, 'ann', 'x', 'pending'), (8, 'p', 1, 'ann', 'x', 'published');
	select setval('tidings.comments_id_seq', 100);
	insert into tidings.tombstones (id, post_id, parent_id) values (2, 'p', 1), (3, 'p', 2);
	insert into tidings.likes (post_id, comment_id, user_id) select 'p', 1, 'u' || n from generate_series(1, 70) as n;
	insert into tidings.likes (post_id, comment_id, user_id) values ('p', 4, 'ann'), ('p', 5, 'ann'), ('p', 5, 'bob');
	insert into tidings.counts (target, position, comments, likes) values
		('post:p', 1, 1, 0), ('post:p', 2, 3, 0), ('comment:1', 3, 1, 3), ('comment:1', 4, 1, 70),
		('comment:3', 4, 1, 0), ('comment:4', 4, 0, 1), ('comment:5', 4, 0, 2);
	select setval('tidings.positions', 4);`

const siteTriggers = `
	create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
	create trigger a before update on tidings.comments for each row execute function public.refuse();
	create trigger b after update on tidings.comments for each statement execute function public.refuse();
	create trigger c before update on tidings.comments for each row execute function public.refuse();
	create trigger d before update on tidings.comments for each row execute function public.refuse();
	alter table tidings.comments enable always trigger b, disable trigger c, enable replica trigger d;`

// The columns and tables that a later version adds are right for rows of the first release. No
// trigger of the site sees that, and no event tells it.
func TestUp_FillsWhatTheFirstReleaseLacked(t *testing.T) {
	t.Parallel()
	dsn := storetest.Empty(t)
	Must(t, migrations.Apply(t.Context(), dsn, firstRelease(t), silent))
	conn := connect(t, dsn)
	exec(t, conn, firstRows)
	exec(t, conn, `insert into tidings.comments (id, post_id, author_id, body, status) values (-5, 'p', 'ann', '', 'deleted')`)
	exec(t, conn, siteTriggers)
	Must(t, migrations.Up(t.Context(), dsn, silent))

	Want(t, "roots", list[string](t, conn, roots), []string{"-5 -", "1 -", "2 1", "3 1", "4 1", "5 -", "6 5", "7 -", "8 1"})
	Want(t, "threads", list[string](t, conn, `
		select distinct on (target) concat_ws(' ', target, comments, likes, thread)
		from tidings.counts
		order by target, position desc`), []string{
		"comment:1 1 70 2", "comment:3 1 0 0", "comment:4 0 1 0", "comment:5 0 2 0", "moderation 2 0 0", "post:p 3 0 0",
	})
	Want(t, "ranks", list[string](t, conn, `select concat_ws(' ', id, post_id, rank, tie) from tidings.ranks order by id`),
		[]string{"1 p 65 0", "5 p 2 5"})
	Want(t, "versions", value[int](t, conn, `select max(version) from tidings.comments`), 1)
	Want(t, "events", head(t, conn), 0)
	Want(t, "triggers of the site", list[string](t, conn, `
		select concat_ws(' ', tgname, tgenabled)
		from pg_trigger
		where tgrelid = 'tidings.comments'::regclass and tgfoid = 'public.refuse()'::regprocedure
		order by tgname`), []string{"a O", "b A", "c D", "d R"})
	exec(t, conn, `drop function public.refuse() cascade`)
	countsAreRight(t, conn)
	works(t, dsn)
	exec(t, conn, `update tidings.comments set status = 'spam' where id = 4`)
	Want(t, "tombstones", tombstones(t, conn), "")
	countsAreRight(t, conn)
}

// The functions of a release are applied with its numbered files or not at all. Otherwise the
// functions before it would run with tables that they do not know.
func TestApply_FilesAndFunctionsAreOneTransaction(t *testing.T) {
	t.Parallel()
	conn, dsn := database(t)
	err := migrations.Apply(t.Context(), dsn, made(t, map[string]string{
		"schema/1000_words.sql": `alter table tidings.comments add column words integer;`,
		"functions/head.sql":    text(t, "functions/head.sql") + "create or replace trigger x after insert on tidings.nowhere for each row execute function tidings.head();\n",
		"functions/VERSION":     nextVersion,
	}), silent)
	if err == nil {
		t.Fatal("functions with an error were applied")
	}
	Want(t, "columns of the file before", value[int](t, conn, `
		select count(*) from pg_attribute where attrelid = 'tidings.comments'::regclass and attname = 'words'`), 0)
	works(t, dsn)
}
