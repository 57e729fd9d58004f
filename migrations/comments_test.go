package migrations_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// data returns the data of the only event with a name after a position.
func data(t *testing.T, conn *pgx.Conn, name string, position int64) map[string]any {
	t.Helper()
	text := value[string](t, conn, `
		select string_agg(data::text, ' and ')
		from tidings.log
		where name = $1 and position > $2`, name, position)
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return object
}

// same fails the test if the data of the only event with a name after a position is not
// the wanted JSON.
func same(t *testing.T, conn *pgx.Conn, name string, position int64, want string) {
	t.Helper()
	got, _ := json.Marshal(data(t, conn, name, position))
	var object map[string]any
	if err := json.Unmarshal([]byte(want), &object); err != nil {
		t.Fatal(err)
	}
	canonical, _ := json.Marshal(object)
	if string(got) != string(canonical) {
		t.Errorf("%s is\n%s, want\n%s", name, got, canonical)
	}
}

const (
	ann = `insert into tidings.users (id, name, avatar_url) values ('ann', 'Ann Ä.', 'https://example.com/a.png');`
	at  = `'2026-01-02 03:04:05.678901+05'`
)

func TestComments_EventsHaveTheDocumentedData(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, ann+`set timezone = 'America/Caracas'`)
	exec(t, conn, `insert into tidings.comments (id, post_id, author_id, body, created_at)
		values (17, 'auth0|4/2', 'ann', E'"<b>"\n\u2028ñ 😀', `+at+`)`)
	same(t, conn, "new-comment", 0, `{
		"id": "17", "postId": "auth0|4/2", "parentId": null, "rootId": null, "pinnedAt": null,
		"author": {"id": "ann", "name": "Ann Ä.", "avatarUrl": "https://example.com/a.png"},
		"body": "\"<b>\"\n\u2028ñ 😀", "status": "published", "likeCount": 0, "replyCount": 0, "threadCount": 0,
		"createdAt": "2026-01-01T22:04:05.678901Z", "editedAt": null, "version": 1}`)

	before := head(t, conn)
	exec(t, conn, `insert into tidings.comments (id, post_id, parent_id, author_id, body, created_at)
		values (18, 'auth0|4/2', 17, 'bob', 'a reply', `+at+`)`)
	same(t, conn, "new-comment", before, `{
		"id": "18", "postId": "auth0|4/2", "parentId": "17", "rootId": "17", "pinnedAt": null,
		"thread": {"parentReplyCount": 1, "threadCount": 1}, "author": {"id": "bob", "name": "bob", "avatarUrl": null},
		"body": "a reply", "status": "published", "likeCount": 0, "replyCount": 0, "threadCount": 0,
		"createdAt": "2026-01-01T22:04:05.678901Z", "editedAt": null, "version": 1}`)

	exec(t, conn, `insert into tidings.likes (post_id, comment_id, user_id) values ('auth0|4/2', 17, 'bob'), ('auth0|4/2', 17, 'cy')`)
	before = head(t, conn)
	exec(t, conn, `update tidings.comments set body = 'edited' where id = 17`)
	edited := value[string](t, conn, `select to_char(edited_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from tidings.comments where id = 17`)
	same(t, conn, "comment-updated", before, `{
		"id": "17", "postId": "auth0|4/2", "parentId": null, "rootId": null, "pinnedAt": null,
		"author": {"id": "ann", "name": "Ann Ä.", "avatarUrl": "https://example.com/a.png"},
		"body": "edited", "status": "published", "likeCount": 2, "replyCount": 1, "threadCount": 1,
		"createdAt": "2026-01-01T22:04:05.678901Z", "editedAt": "`+edited+`", "version": 2}`)

	before = head(t, conn)
	exec(t, conn, `delete from tidings.comments where id = 18`)
	same(t, conn, "comment-deleted", before, `{
		"id": "18", "postId": "auth0|4/2", "parentId": "17", "rootId": "17",
		"thread": {"parentReplyCount": 0, "threadCount": 0}, "tombstone": null}`)
}

func TestComments_ChangesBecomeEvents(t *testing.T) {
	t.Parallel()

	const held = `insert into tidings.comments (id, post_id, author_id, body, status) values (9, 'p', 'ann', 'x', 'pending')`
	db := share(t, 1)
	for name, c := range map[string]struct {
		setup, sql string
		want       []string
		row        string // the comment afterwards: status, body, version, edited, deleted
	}{
		"Edited":          {comment, `update tidings.comments set body = 'y'`, []string{"comment-updated"}, "published y 2 t f"},
		"EditedToTheSame": {comment, `update tidings.comments set body = body`, nil, "published hello 1 f f"},
		"AnotherAuthor":   {comment, `update tidings.comments set author_id = 'bob'`, []string{"comment-updated"}, "published hello 2 f f"},
		"Tombstone": {
			comment, `update tidings.comments set status = 'deleted'`,
			[]string{"comment-deleted", "moderation", "comment-count"}, "deleted  2 f t",
		},
		"Deleted":             {comment, `delete from tidings.comments`, []string{"comment-deleted", "moderation", "comment-count"}, ""},
		"Hidden":              {comment, `update tidings.comments set status = 'spam'`, []string{"comment-deleted", "moderation", "comment-count"}, "spam hello 2 f f"},
		"InsertedAsPending":   {``, held, []string{"moderation"}, "pending x 1 f f"},
		"Approved":            {held, `update tidings.comments set status = 'published'`, []string{"new-comment", "moderation", "comment-count"}, "published x 2 f f"},
		"EditedWhilePending":  {held, `update tidings.comments set body = 'y'`, []string{"moderation"}, "pending y 2 t f"},
		"Rejected":            {held, `update tidings.comments set status = 'rejected'`, []string{"moderation"}, "rejected x 2 f f"},
		"DeletedWhilePending": {held, `delete from tidings.comments`, []string{"moderation"}, ""},
		"ApprovedAndEdited": {
			held, `update tidings.comments set status = 'published', body = 'y'`,
			[]string{"new-comment", "moderation", "comment-count"}, "published y 2 t f",
		},
		"InsertedAndDeletedInOneCommit": {
			``, `begin; ` + comment + `; update tidings.comments set body = 'y'; delete from tidings.comments; commit`,
			[]string{"new-comment", "comment-updated", "comment-deleted", "moderation"}, "",
		},
		"SeveralInOneStatement": {
			comment + `;` + held,
			`update tidings.comments set status = case id when 9 then 'published' else 'spam' end`,
			[]string{"new-comment", "comment-deleted", "moderation", "moderation"}, "spam hello 2 f f",
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, c.setup)
			before := head(t, conn)
			exec(t, conn, c.sql)
			got := list[string](t, conn, `select name from tidings.events where position > $1 order by position`, before)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			row := value[string](t, conn, `
				select coalesce(min(format('%s %s %s %s %s', status, body, version, edited_at is not null, deleted_at is not null)), '')
				from tidings.comments
				where id = (select min(id) from tidings.comments)`)
			if row != c.row {
				t.Errorf("the row is %q, want %q", row, c.row)
			}
			countsAreRight(t, conn)
			leavesNothing(t, conn)
		})
	}
}

func TestComments_KeepTheirIdPostAndParent(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, comment+`;`+comment+`; insert into tidings.posts (id) values ('q'); `+like)
	for _, set := range []string{`id = 99 where id = 1`, `post_id = 'q'`, `parent_id = 1 where id = 2`} {
		if err := refused(t, conn, "23000", `update tidings.comments set `+set); err.Hint == "" {
			t.Error("no hint")
		}
	}
	for _, set := range []string{`post_id = 'q'`, `comment_id = 1`, `user_id = 'eve'`} {
		if err := refused(t, conn, "23000", `update tidings.likes set `+set); err.Hint == "" {
			t.Error("no hint")
		}
	}
}

// Postgres copies values of a column into its statistics, where they stay until the next
// ANALYZE.
func TestComments_RemovedTextIsNotInStatistics(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	exec(t, conn, `
		insert into tidings.users (id, name, avatar_url)
		select 'u' || n, 'secret name ' || n % 5, 'https://example.org/secret-' || n % 5 from generate_series(1, 50) as n;
		insert into tidings.posts (id, title, url)
		select 'p' || n, 'secret title ' || n % 5, 'https://example.org/secret-' || n % 5 from generate_series(1, 50) as n;
		insert into tidings.comments (post_id, author_id, body)
		select 'p' || n, 'u' || n, 'secret body ' || n % 5 from generate_series(1, 50) as n`)
	exec(t, conn, `analyze`)
	streamtest.Want(t, "statistics", list[string](t, conn, `
		select tablename || '.' || attname from pg_stats as s where schemaname = 'tidings' and s::text like '%secret%' order by 1`), []string{})
}
