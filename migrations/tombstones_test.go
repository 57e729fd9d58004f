package migrations_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// thread is a comment with replies: 1 ← 2 ← 3, and 1 ← 4.
const thread = `
	insert into tidings.posts (id) values ('p');
	insert into tidings.comments (id, post_id, parent_id, author_id, body)
	values (1, 'p', null, 'ann', 'a'), (2, 'p', 1, 'ann', 'b'), (3, 'p', 2, 'ann', 'c'), (4, 'p', 1, 'ann', 'd');
	update tidings.comments set status = 'spam' where id = 4;`

// shown lists the events that show or hide comments after a position: the id, and "shown",
// "tombstone" or "gone".
func shown(t *testing.T, conn *pgx.Conn, position int64) []string {
	t.Helper()
	return list[string](t, conn, `
		select (data ->> 'id') || ' ' || case
			when name = 'new-comment' then 'shown'
			when data -> 'tombstone' = 'null' then 'gone'
			when data #>> '{tombstone,id}' = data ->> 'id' then 'tombstone'
			else data::text
		end
		from tidings.events
		where position > $1 and name in ('new-comment', 'comment-deleted')
		order by position`, position)
}

// tombstones lists the ids of the tombstones.
func tombstones(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	return value[string](t, conn, `select coalesce(string_agg(id::text, ' ' order by id), '') from tidings.tombstones`)
}

// A hidden comment is a tombstone while a visible comment is below it, at any depth.
func TestTombstones_ComeAndGo(t *testing.T) {
	t.Parallel()
	db := share(t, 1)
	const hide, show = `update tidings.comments set status = 'spam' where id in `, `update tidings.comments set status = 'published' where id in `
	type step struct {
		sql        string
		events     string
		tombstones string
	}
	for name, steps := range map[string][]step{
		"DeletedFromTheTop": {
			{`update tidings.comments set status = 'deleted' where id = 1`, "1 tombstone", "1"},
			{`update tidings.comments set status = 'deleted' where id = 2`, "2 tombstone", "1 2"},
			{`update tidings.comments set status = 'deleted' where id = 3`, "3 gone, 2 gone, 1 gone", ""},
		},
		"DeletedFromTheBottom": {
			{hide + `(3)`, "3 gone", ""}, {hide + `(2)`, "2 gone", ""}, {hide + `(1)`, "1 gone", ""},
		},
		"ApprovedBelow": {
			{hide + `(1, 2, 3)`, "3 gone, 2 gone, 1 gone", ""},
			{show + `(3)`, "1 tombstone, 2 tombstone, 3 shown", "1 2"},
			{show + `(2)`, "2 shown", "1"},
			{show + `(1)`, "1 shown", ""},
		},
		"ApprovedTogether": {
			{hide + `(1, 2, 3)`, "3 gone, 2 gone, 1 gone", ""},
			{show + `(1, 2, 3)`, "1 shown, 2 shown, 3 shown", ""},
		},
		"AnotherReplyStays": {
			{show + `(4)`, "4 shown", ""},
			{hide + `(1, 2)`, "2 tombstone, 1 tombstone", "1 2"},
			{hide + `(3)`, "3 gone, 2 gone", "1"},
			{hide + `(4)`, "4 gone, 1 gone", ""},
		},
		"MiddleOnly": {
			{hide + `(2)`, "2 tombstone", "2"},
			{hide + `(3)`, "3 gone, 2 gone", ""},
		},
		"OneTransaction": {
			{`begin; ` + hide + `(1); ` + hide + `(2); ` + hide + `(3); commit`, "3 gone, 2 gone, 1 gone", ""},
			{`begin; ` + show + `(3); ` + hide + `(3); commit`, "3 shown, 3 gone", ""},
		},
		"HiddenInAnotherWay": {
			{hide + `(1)`, "1 tombstone", "1"},
			{`update tidings.comments set status = 'deleted' where id = 1`, "", "1"},
		},
		"ShownAndHiddenTogether": {
			{hide + `(2)`, "2 tombstone", "2"},
			{`begin; ` + show + `(2); ` + hide + `(2); commit`, "2 shown, 2 tombstone", "2"},
		},
		"ShownAboveAndHiddenTogether": {
			{hide + `(1, 2, 3)`, "3 gone, 2 gone, 1 gone", ""},
			{`begin; ` + show + `(1, 2, 3); ` + hide + `(2); commit`, "1 shown, 2 tombstone, 3 shown, 2 shown, 2 tombstone", "2"},
		},
		"AnotherTime": {
			{hide + `(1)`, "1 tombstone", "1"},
			{`update tidings.comments set created_at = created_at - interval '1 hour' where id = 1`, "1 tombstone", "1"},
			{`begin; update tidings.comments set created_at = created_at - interval '1 hour'; ` + hide + `(2, 3); commit`, "3 gone, 2 gone, 1 gone", ""},
			{`update tidings.comments set created_at = created_at - interval '1 hour'`, "", ""},
		},
		"RowsDeleted": {
			{hide + `(1, 2)`, "2 tombstone, 1 tombstone", "1 2"},
			{`delete from tidings.comments where id in (2, 3)`, "3 gone, 2 gone, 1 gone", ""},
		},
		"RepliesInserted": {
			{hide + `(1, 2, 3)`, "3 gone, 2 gone, 1 gone", ""},
			{`insert into tidings.comments (id, post_id, parent_id, author_id, body) values (7, 'p', 3, 'ann', 'x')`,
				"1 tombstone, 2 tombstone, 3 tombstone, 7 shown", "1 2 3"},
		},
		"PostDeleted": {
			{hide + `(1, 2)`, "2 tombstone, 1 tombstone", "1 2"},
			{`delete from tidings.posts`, "", ""},
		},
		"PostDeletedAfterwards": {
			{hide + `(1)`, "1 tombstone", "1"},
			{`begin; ` + hide + `(2); delete from tidings.posts; commit`, "2 gone", ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, thread)
			for _, s := range steps {
				before := head(t, conn)
				exec(t, conn, s.sql)
				streamtest.Want(t, "events of "+s.sql, strings.Join(shown(t, conn, before), ", "), s.events)
				streamtest.Want(t, "tombstones after "+s.sql, tombstones(t, conn), s.tombstones)
			}
		})
	}
}

// Of two transactions, one hides a comment and the other its last reply.
func TestTombstones_TwoSessionsLeaveNoGhost(t *testing.T) {
	t.Parallel()
	db := share(t, 2)
	for name, ids := range map[string][2]int{"ReplyCommitsFirst": {3, 2}, "ParentCommitsFirst": {2, 3}} {
		t.Run(name, func(t *testing.T) {
			one, other := db.again(t), db[1]
			exec(t, one, thread)
			before := head(t, one)
			for i, conn := range []*pgx.Conn{one, other} {
				exec(t, conn, fmt.Sprintf(`begin; update tidings.comments set status = 'deleted' where id = %d`, ids[i]))
			}
			exec(t, one, `commit`)
			exec(t, other, `commit`)
			want := []string{"3 gone", "2 gone"}
			if name == "ParentCommitsFirst" {
				want = slices.Insert(want, 0, "2 tombstone")
			}
			streamtest.Want(t, "events", shown(t, one, before), want)
			streamtest.Want(t, "tombstones", tombstones(t, one), "")
		})
	}
}

// The tombstones of changes that no trigger saw are repaired.
func TestTombstones_AreRecounted(t *testing.T) {
	t.Parallel()
	conn, _ := database(t)
	exec(t, conn, thread)
	exec(t, conn, `set session_replication_role = replica; update tidings.comments set status = 'spam' where id in (1, 2); reset session_replication_role`)
	before := head(t, conn)
	exec(t, conn, `select tidings.recount()`)
	streamtest.Want(t, "events", shown(t, conn, before), []string{"1 tombstone", "2 tombstone"})
	streamtest.Want(t, "tombstones", tombstones(t, conn), "1 2")
	exec(t, conn, `set session_replication_role = replica; update tidings.comments set status = 'spam' where id = 3; reset session_replication_role`)
	before = head(t, conn)
	exec(t, conn, `select tidings.recount()`)
	streamtest.Want(t, "events", shown(t, conn, before), []string{"2 gone", "1 gone"})
	streamtest.Want(t, "tombstones", tombstones(t, conn), "")
	streamtest.Want(t, "repaired by another recount", value[int64](t, conn, `select tidings.recount()`), 0)
}

// A page that follows the events shows what lists show. Parents come before their replies,
// and go after them.
func TestTombstones_FollowAnyChange(t *testing.T) {
	t.Parallel()
	const comments = 24
	conn, _ := database(t)
	exec(t, conn, `insert into tidings.posts (id) values ('p')`)
	random := rand.New(rand.NewPCG(1, 2))
	parents := make(map[string]string)
	for id := 1; id <= comments; id++ {
		parent := "null"
		if id > 3 {
			parent = fmt.Sprint(1 + random.IntN(id-1))
		}
		parents[fmt.Sprint(id)] = parent
		exec(t, conn, fmt.Sprintf(`insert into tidings.comments (id, post_id, parent_id, author_id, body) values (%d, 'p', %s, 'ann', 'x')`, id, parent))
	}
	page := make(map[string]string) // what each listed comment is
	for id := range parents {
		page[id] = "shown"
	}
	statuses := []string{"published", "published", "deleted", "spam", "pending"}
	for range 300 {
		var ids []string
		for range 1 + random.IntN(6) {
			ids = append(ids, fmt.Sprint(1+random.IntN(comments)))
		}
		sql := fmt.Sprintf(`update tidings.comments set status = '%s', body = 'x' where id in (%s)`,
			statuses[random.IntN(len(statuses))], strings.Join(ids, ", "))
		before := head(t, conn)
		exec(t, conn, sql)
		for _, event := range shown(t, conn, before) {
			id, becomes, _ := strings.Cut(event, " ")
			if becomes == "gone" {
				delete(page, id)
				for reply, parent := range parents {
					if parent == id && page[reply] != "" {
						t.Fatalf("%s: %s is gone before its reply %s", sql, id, reply)
					}
				}
				continue
			}
			page[id] = becomes
			if parent := parents[id]; parent != "null" && page[parent] == "" {
				t.Fatalf("%s: %s is %s before its parent %s", sql, id, becomes, parent)
			}
		}
		text := value[string](t, conn, `
			with recursive visible as (
				select id, parent_id from tidings.comments where status = 'published'
				union
				select c.id, c.parent_id from visible join tidings.comments as c on c.id = visible.parent_id
			)
			select coalesce(jsonb_object_agg(c.id, case c.status when 'published' then 'shown' else 'tombstone' end), '{}')
			from visible
			join tidings.comments as c using (id)`)
		var want map[string]string
		streamtest.Must(t, json.Unmarshal([]byte(text), &want))
		streamtest.Want(t, sql, fmt.Sprint(page), fmt.Sprint(want))
	}
}
