package migrations_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// roots lists each comment with its root.
const roots = `select id || ' ' || coalesce(root_id::text, '-') from tidings.comments order by id`

func TestThreads_EachReplyHasItsRoot(t *testing.T) {
	t.Parallel()
	db := share(t, 1)
	insert := func(rows string) string {
		return `insert into tidings.comments (id, post_id, author_id, body, parent_id, root_id)
			select id, 'p', 'ann', 'x', parent::bigint, root::bigint from (values ` + rows + `) as v (id, parent, root);`
	}
	want := []string{"1 -", "2 1", "3 1", "4 1"}
	for name, sql := range map[string]string{
		"OneByOne":              insert(`(1, null::int, null::int)`) + insert(`(2, 1, null)`) + insert(`(3, 2, null)`) + insert(`(4, 1, null)`),
		"InOneStatement":        insert(`(1, null, null::int), (2, 1, null), (3, 2, null), (4, 1, null)`),
		"ChildrenFirst":         insert(`(4, 1, null::int), (3, 2, null), (2, 1, null), (1, null, null)`),
		"ChildrenInAnother":     `begin;` + insert(`(3, 2, null::int), (4, 1, null)`) + insert(`(2, 1, null)`) + insert(`(1, null::int, null::int)`) + `commit`,
		"TheMiddleLast":         `begin;` + insert(`(1, null, null::int), (3, 2, null), (4, 1, null)`) + insert(`(2, 1, null::int)`) + `commit`,
		"GivenRootsOverwritten": insert(`(1, null, 3), (2, 1, 7), (3, 2, 2), (4, 1, 4)`),
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, sql)
			streamtest.Want(t, "roots", list[string](t, conn, roots), want)
			streamtest.Want(t, "roots in events", list[string](t, conn, `
				select (data ->> 'id') || ' ' || coalesce(data ->> 'rootId', '-')
				from tidings.events
				where name = 'new-comment'
				order by (data ->> 'id')::bigint`), want)
			exec(t, conn, `update tidings.comments set root_id = 3`)
			streamtest.Want(t, "roots after an update", list[string](t, conn, roots), want)
			countsAreRight(t, conn)
		})
	}
}

// Each event of a transaction has the totals after the transaction.
func TestThreads_EventsHaveTotals(t *testing.T) {
	t.Parallel()
	const totals = `
		select name || ' ' || (data ->> 'id') || ' ' || concat_ws(' ', data ->> 'replyCount', data ->> 'threadCount', data ->> 'thread')
		from tidings.events
		where position > $1 and name in ('new-comment', 'comment-updated', 'comment-deleted')
		order by position`
	conn, _ := database(t)
	exec(t, conn, thread) // 1 ← 2 ← 3; 4 is spam
	streamtest.Want(t, "inserted", list[string](t, conn, totals, 0)[:3], []string{
		"new-comment 1 1 2",
		`new-comment 2 1 0 {"threadCount": 2, "parentReplyCount": 1}`,
		`new-comment 3 0 0 {"threadCount": 2, "parentReplyCount": 1}`,
	})
	for _, step := range []struct {
		sql  string
		want []string
	}{
		{`update tidings.comments set body = 'y' where id = 2`, []string{`comment-updated 2 1 0 {"threadCount": 2, "parentReplyCount": 1}`}},
		{`update tidings.comments set status = 'spam' where id = 3`, []string{`comment-deleted 3 {"threadCount": 1, "parentReplyCount": 0}`}},
		{`update tidings.comments set status = 'published' where id = 3`, []string{`new-comment 3 0 0 {"threadCount": 2, "parentReplyCount": 1}`}},
		{`update tidings.comments set status = 'spam' where id = 2`, []string{`comment-deleted 2 {"threadCount": 1, "parentReplyCount": 0}`}},
		{`update tidings.comments set status = 'spam' where id = 3`, []string{
			`comment-deleted 3 {"threadCount": 0, "parentReplyCount": 0}`,
			`comment-deleted 2 {"threadCount": 0, "parentReplyCount": 0}`,
		}},
		{`update tidings.comments set status = 'published' where id = 3`, []string{
			`comment-deleted 2 {"threadCount": 1, "parentReplyCount": 0}`,
			`new-comment 3 0 0 {"threadCount": 1, "parentReplyCount": 1}`,
		}},
	} {
		before := head(t, conn)
		exec(t, conn, step.sql)
		streamtest.Want(t, step.sql, list[string](t, conn, totals, before), step.want)
		countsAreRight(t, conn)
	}
	leavesNothing(t, conn)
}

// A count in the event of a comment is as of the commit: a like that was committed after the
// statement and before the commit counts.
func TestThreads_CountsAreThoseAtCommit(t *testing.T) {
	t.Parallel()
	conn, dsn := database(t)
	other := connect(t, dsn)
	exec(t, conn, thread)
	exec(t, conn, `begin; update tidings.comments set body = 'y' where id = 1`)
	exec(t, other, `insert into tidings.likes (post_id, comment_id, user_id) values ('p', 1, 'bob');
		insert into tidings.comments (id, post_id, parent_id, author_id, body) values (9, 'p', 2, 'ann', 'x')`)
	before := head(t, conn)
	exec(t, conn, `commit`)
	got := data(t, conn, "comment-updated", before)
	streamtest.Want(t, "counts", fmt.Sprint(got["likeCount"], got["replyCount"], got["threadCount"]), "1 1 3")
}

// A chain of 3,000 replies is one statement. So is a change that makes all of them tombstones.
func TestThreads_DeepThread(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	exec(t, conn, `set statement_timeout = '60s'`)
	exec(t, conn, `insert into tidings.comments (id, post_id, parent_id, author_id, body)
		select n, 'p', nullif(n - 1, 0), 'ann', 'x' from generate_series(1, 1500) as n`)
	streamtest.Want(t, "replies with a root", value[int](t, conn, `select count(*) from tidings.comments where root_id = 1`), 1499)
	exec(t, conn, `alter sequence tidings.comments_id_seq restart with 1501`)
	for _, step := range []struct {
		sql                string
		tombstones, events int // events that show or hide a comment
	}{
		{`update tidings.comments set status = 'spam' where id = 750`, 1, 1},
		{`insert into tidings.comments (post_id, parent_id, author_id, body) values ('p', 1500, 'ann', 'x')`, 1, 1},
		{`update tidings.comments set status = 'spam' where id <= 1500`, 1500, 1499},
		{`update tidings.comments set status = 'deleted' where id = 1501`, 0, 1501}, // the leaf
		{`update tidings.comments set status = 'published' where id = 1500`, 1499, 1500},
		{`update tidings.comments set status = 'published' where id = 1`, 1498, 1},
		{`update tidings.comments set status = 'deleted' where id = 1`, 1499, 1}, // the root
		{`delete from tidings.comments where id = 1501`, 1499, 0},
	} {
		before := head(t, conn)
		exec(t, conn, step.sql)
		streamtest.Want(t, "events of "+step.sql, len(shown(t, conn, before)), step.events)
		streamtest.Want(t, "tombstones after "+step.sql, value[int](t, conn, `select count(*) from tidings.tombstones`), step.tombstones)
	}
	countsAreRight(t, conn)
}

func TestThreads_ChecksOfColumns(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	exec(t, conn, thread)
	hundred := "{" + strings.TrimSuffix(strings.Repeat("a,", 100), ",") + "}"
	for name, c := range map[string]struct{ constraint, set string }{
		"NoMentions":       {"", `mentions = '{}'`},
		"Mentions":         {"", `mentions = '{ann,"o''brien@x.org",auth0|5f}'`},
		"HundredMentions":  {"", `mentions = '` + hundred + `'`},
		"TooManyMentions":  {"comments_mentions", `mentions = '` + strings.Replace(hundred, "a", "a,b", 1) + `'`},
		"NullMention":      {"comments_mentions", `mentions = '{null}'`},
		"EmptyMention":     {"comments_mentions", `mentions = '{""}'`},
		"MentionWithSpace": {"comments_mentions", `mentions = '{"a b"}'`},
		"MentionOfDot":     {"comments_mentions", `mentions = '{ann,.}'`},
		"LongMention":      {"comments_mentions", `mentions = array[repeat('a', 256)]`},
		"NestedMentions":   {"comments_mentions", `mentions = '{{a},{b}}'`},
		"PinnedReply":      {"comments_pinned_is_root", `pinned_at = now() where id = 2`},
		"PinnedForever":    {"comments_pinned_at_range", `pinned_at = 'infinity' where id = 1`},
	} {
		t.Run(name, func(t *testing.T) {
			sql := `update tidings.comments set ` + c.set
			if c.constraint == "" {
				exec(t, conn, sql)
				return
			}
			streamtest.Want(t, sql, refused(t, conn, "23514", sql).ConstraintName, c.constraint)
		})
	}
}

// One bad row of many is refused, also where triggers of the site change the row, and where only
// triggers that fire always do.
func TestThreads_ChecksOfInsertedRows(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	exec(t, conn, thread+`; alter sequence tidings.comments_id_seq restart with 1000`)
	for constraint, columns := range map[string]string{
		"comments_author_grammar":   `author_id = 'two words'`,
		"comments_body_length":      `body = ' '`,
		"comments_created_at_range": `created_at = 'infinity'`,
		"comments_edited_at_range":  `edited_at = '-infinity'`,
		"comments_deleted_at_range": `deleted_at = 'infinity'`,
		"comments_pinned_at_range":  `pinned_at = 'infinity'`,
		"comments_id_positive":      `id = 0`,
		"comments_mentions":         `mentions = '{.}'`,
		"comments_parent_is_older":  `parent_id = new.id`,
		"comments_pinned_is_root":   `parent_id = 1, pinned_at = now()`,
		"comments_status":           `status = 'gone'`,
	} {
		t.Run(constraint, func(t *testing.T) {
			exec(t, conn, `begin; create function site() returns trigger language plpgsql as $$
				begin
					if new.body = 'bad' then new.`+strings.ReplaceAll(columns, ", ", "; new.")+`; end if;
					return new;
				end $$;
				create trigger zz_site before insert on tidings.comments for each row execute function site();
				alter table tidings.comments enable always trigger zz_site`)
			for _, role := range []string{"origin", "replica"} {
				exec(t, conn, `savepoint before; set local session_replication_role = `+role)
				err := refused(t, conn, "23514", `insert into tidings.comments (post_id, author_id, body)
					select 'p', 'ann', case when i = 70 then 'bad' else 'x' end from generate_series(1, 100) as i`)
				streamtest.Want(t, "constraint as "+role, err.ConstraintName, constraint)
				streamtest.Want(t, "table", err.SchemaName+"."+err.TableName, "tidings.comments")
				if !strings.HasPrefix(err.Detail, "Failing row contains (") {
					t.Errorf("the detail is %q", err.Detail)
				}
				exec(t, conn, `rollback to before`)
			}
			exec(t, conn, `rollback`)
		})
	}
}

// A revision is a text that was replaced or emptied.
func TestThreads_RevisionsKeepReplacedTexts(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	const revisions = `select format('%s %s %s', comment_id, version, body) from tidings.revisions order by comment_id, version`
	exec(t, conn, thread)
	exec(t, conn, `update tidings.comments set body = 'a2' where id = 1; update tidings.comments set pinned_at = now() where id = 1;
		update tidings.comments set status = 'deleted' where id in (1, 3); update tidings.comments set status = 'published', body = 'a3' where id = 1`)
	streamtest.Want(t, "revisions", list[string](t, conn, revisions), []string{"1 1 a", "1 3 a2", "3 1 c"})
	streamtest.Want(t, "row", value[string](t, conn, `
		select format('%s %s %s %s', version, body, edited_at is not null, deleted_at is not null) from tidings.comments where id = 1`), "5 a3 t f")
	exec(t, conn, `delete from tidings.comments where id = 3`)
	streamtest.Want(t, "revisions", list[string](t, conn, revisions), []string{"1 1 a", "1 3 a2"})
	exec(t, conn, `delete from tidings.posts`)
	streamtest.Want(t, "revisions", list[string](t, conn, revisions), []string{})
}

// A post that changes tells so, with the counts as they are.
func TestPosts_ChangesBecomeEvents(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	events := func(sql string) []string {
		before := head(t, conn)
		exec(t, conn, sql)
		return list[string](t, conn, `select name from tidings.events where position > $1 order by position`, before)
	}
	updated := []string{"post-updated"}
	streamtest.Want(t, "a new post", events(`insert into tidings.posts (id) values ('p')`), []string{})
	streamtest.Want(t, "a new post with a title", events(`insert into tidings.posts (id, title) values ('q', 't')`), updated)
	for _, set := range []string{`title = 'T'`, `url = 'https://example.org'`, `author_id = 'ann'`, `locked = true`, `title = null`} {
		streamtest.Want(t, set, events(`update tidings.posts set `+set+` where id = 'p'`), updated)
		streamtest.Want(t, set+" again", events(`update tidings.posts set `+set+` where id = 'p'`), []string{})
	}
	exec(t, conn, comment)
	before := head(t, conn)
	exec(t, conn, `update tidings.posts set title = 'U', created_at = `+at+` where id = 'p'`)
	same(t, conn, "post-updated", before, `{"id": "p", "title": "U", "url": "https://example.org", "authorId": "ann", "locked": true,
		"commentCount": 1, "likeCount": 0, "createdAt": "2026-01-01T22:04:05.678901Z"}`)
	streamtest.Want(t, "texts in the log", value[bool](t, conn, `select bool_or(events::text ~ 'title|example') from tidings.events`), false)
	exec(t, conn, `delete from tidings.posts where id = 'p'`)
	same(t, conn, "post-updated", before, `{"id": "p", "title": null, "url": null, "authorId": null, "locked": false,
		"commentCount": 1, "likeCount": 0, "createdAt": "2026-01-01T22:04:05.678901Z"}`)
}

// After post-deleted, a page has no comments and no likes. A transaction that deletes a post and
// writes as many again tells the counts.
func TestPosts_DeletedAndWrittenAgainTellsTheCounts(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	const write = comment + `; insert into tidings.likes (post_id, user_id) values ('p', 'ann')`
	exec(t, conn, write)
	before := head(t, conn)
	exec(t, conn, `begin; delete from tidings.posts; `+write+`; commit`)
	streamtest.Want(t, "events", list[string](t, conn, `
		select name || ' ' || coalesce(data ->> 'count', '')
		from tidings.events
		where position > $1 and topic = 'post:p'
		order by position`, before), []string{"post-deleted ", "new-comment ", "comment-count 1", "like-update 1"})
	before = head(t, conn)
	exec(t, conn, `delete from tidings.posts`)
	streamtest.Want(t, "events of a deletion", list[string](t, conn, `select name from tidings.events where position > $1 and topic = 'post:p'`, before),
		[]string{"post-deleted"})
}

// Moderators are told of each change of a status, with the number of pending comments. The view of
// the log has the text of published comments only.
func TestModeration_IsTold(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	told := func(sql string) string {
		before := head(t, conn)
		exec(t, conn, sql)
		return strings.Join(list[string](t, conn, `
			select concat_ws(' ', data #>> '{comment,id}', coalesce(data ->> 'was', '-'), data ->> 'status',
				data ->> 'pending', nullif(data #>> '{comment,body}', ''), data ->> 'by')
			from tidings.log
			where position > $1 and topic = 'site:moderation' and name = 'moderation'
			order by position`, before), ", ")
	}
	for _, step := range []struct{ sql, want string }{
		{comment, ""},
		{`insert into tidings.comments (id, post_id, author_id, body, status)
			values (11, 'p', 'ann', 'x', 'pending'), (12, 'p', 'bob', 'y', 'pending'), (13, 'p', 'bob', 'z', 'spam')`,
			"11 - pending 2, 12 - pending 2, 13 - spam 2"},
		{`update tidings.comments set body = 'x2' where id = 11`, "11 pending pending 2"},
		{`begin; set local tidings.by = 'mod'; update tidings.comments set status = 'published' where id = 11; commit`, "11 pending published 1 x2 mod"},
		{`update tidings.comments set body = 'x3' where id = 11`, ""},
		{`update tidings.comments set status = 'deleted' where id = 11`, "11 published deleted 1"},
		{`delete from tidings.comments where id = 12`, "12 pending deleted 0"},
		{`delete from tidings.posts`, ""},
	} {
		streamtest.Want(t, step.sql, told(step.sql), step.want)
		countsAreRight(t, conn)
	}
	names := list[string](t, conn, `select distinct topic from tidings.events where name = 'moderation'`)
	streamtest.Want(t, "topics", slices.Compact(names), []string{"site:moderation"})
}

// Ranks change rarely, rise with likes, and are what recount makes of them.
func TestRanks(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	streamtest.Want(t, "ranks", value[string](t, conn, `
		select string_agg(tidings.rank_of(likes)::text, ' ' order by n)
		from unnest(array[-1, 0, 1, 63, 64, 67, 68, 127, 128, 135, 136, 255, 256, 10000, 9223372036854775807]) with ordinality as l (likes, n)`),
		"0 0 1 63 64 64 65 79 80 80 81 95 96 179 975")
	streamtest.Want(t, "falls", value[int](t, conn, `
		select count(*) from generate_series(0, 5000) as n where tidings.rank_of(n) > tidings.rank_of(n + 1)`), 0)

	const row = `select coalesce((select concat_ws(' ', post_id, rank, tie, xmin) from tidings.ranks where id = 1), '-')`
	like := func(n int) string {
		return fmt.Sprintf(`insert into tidings.likes (post_id, comment_id, user_id) select 'p', 1, 'u' || n from generate_series(1, %d) as n on conflict do nothing`, n)
	}
	exec(t, conn, thread)
	exec(t, conn, `insert into tidings.likes (post_id, comment_id, user_id) values ('p', 2, 'ann')`)
	streamtest.Want(t, "of a reply", value[int](t, conn, `select count(*) from tidings.ranks`), 0)
	exec(t, conn, like(3))
	streamtest.Want(t, "of 3 likes", strings.HasPrefix(value[string](t, conn, row), "p 3 1 "), true)
	exec(t, conn, like(64))
	coarse := value[string](t, conn, row)
	streamtest.Want(t, "of 64 likes", strings.HasPrefix(coarse, "p 64 0 "), true)
	exec(t, conn, like(67))
	streamtest.Want(t, "of 67 likes", value[string](t, conn, row), coarse)
	countsAreRight(t, conn)
	for _, wrong := range []string{
		`delete from tidings.ranks`, `update tidings.ranks set rank = 3, tie = 1`, `update tidings.ranks set id = 2`,
	} {
		exec(t, conn, wrong)
		if n := value[int](t, conn, `select tidings.recount()`); n == 0 {
			t.Errorf("recount repairs nothing after %s", wrong)
		}
		streamtest.Want(t, "after a recount", strings.HasPrefix(value[string](t, conn, row), "p 64 0 "), true)
		countsAreRight(t, conn)
	}
	exec(t, conn, `delete from tidings.likes where comment_id = 1`)
	streamtest.Want(t, "of no likes", value[string](t, conn, row), "-")
	countsAreRight(t, conn)
	leavesNothing(t, conn)
}
