package migrations_test

import (
	"slices"
	"strings"
	"testing"
)

// setting creates a post by pia with comment 1 by ann and a pending reply 2 by bob, and no
// notifications.
const setting = `
	insert into tidings.comments (id, post_id, author_id, body) values (1, 'p', 'ann', 'x');
	insert into tidings.comments (id, post_id, parent_id, author_id, body, status) values (2, 'p', 1, 'bob', 'y', 'pending');
	update tidings.posts set author_id = 'pia';
	update tidings.users set name = upper(name), avatar_url = 'https://example.com/' || id;
	alter sequence tidings.comments_id_seq restart with 100;`

func TestNotifications_HaveTheRightRecipients(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	const (
		say   = `insert into tidings.comments (post_id, author_id, body) values `
		reply = `insert into tidings.comments (post_id, parent_id, author_id, body) values `
		likes = `insert into tidings.likes (post_id, comment_id, user_id) values `
		// dee has commented on p, and nobody is notified of that.
		commenters = `insert into tidings.comments (id, post_id, author_id, body) values (3, 'p', 'dee', 'x'); delete from tidings.notifications;`
		piaIsAnn   = `update tidings.comments set author_id = 'pia' where id = 1;`
		likeAgain  = likes + `('p', null, 'cy'); BREAK delete from tidings.likes; BREAK ` + likes + `('p', null, 'cy')`
	)
	for name, c := range map[string]struct {
		sql  string
		want []string // recipient, kind, actor, comment
	}{
		"OfACommentThePostsAuthor":              {say + `('p', 'cy', 'x')`, []string{"pia comment cy 100"}},
		"OfOnesOwnCommentNobody":                {say + `('p', 'pia', 'x')`, nil},
		"OfAPostWithoutAuthorNobody":            {say + `('q', 'cy', 'x')`, nil},
		"OfAReplyBothAuthors":                   {reply + `('p', 1, 'cy', 'x')`, []string{"ann reply cy 100", "pia comment cy 100"}},
		"OfAReplyByThePostsAuthor":              {reply + `('p', 1, 'pia', 'x')`, []string{"ann reply pia 100"}},
		"OfAReplyToOneselfThePostsAuthor":       {reply + `('p', 1, 'ann', 'x')`, []string{"pia comment ann 100"}},
		"OfAReplyToThePostsAuthorOnce":          {piaIsAnn + reply + `('p', 1, 'cy', 'x')`, []string{"pia reply cy 100"}},
		"OfThePostsAuthorsReplyToOneselfNobody": {piaIsAnn + reply + `('p', 1, 'pia', 'x')`, nil},
		"OfAPendingReplyOnApproval": {
			`update tidings.comments set status = 'published' where id = 2`, []string{"ann reply bob 2", "pia comment bob 2"},
		},
		"OfAnEditNobody":  {`update tidings.comments set body = 'z' where id = 1`, nil},
		"OfADeleteNobody": {`delete from tidings.comments where id = 2`, nil},
		"OfAMention": {
			commenters + `insert into tidings.comments (post_id, author_id, body, mentions) values ('p', 'cy', 'x', '{dee,bob,stranger,cy,dee}')`,
			[]string{"dee mention cy 100", "pia comment cy 100"}, // bob's comment is pending
		},
		"OfAMentionBeforeAReplyAndAComment": {
			commenters + `update tidings.posts set author_id = 'dee';
				insert into tidings.comments (post_id, parent_id, author_id, body, mentions) values ('p', 1, 'cy', 'x', '{ann,dee}')`,
			[]string{"ann mention cy 100", "dee mention cy 100"},
		},
		"OfAMentionOfTheParentsAuthorThePostsAuthorToo": {
			`insert into tidings.comments (post_id, parent_id, author_id, body, mentions) values ('p', 1, 'cy', 'x', '{ann}')`,
			[]string{"ann mention cy 100", "pia comment cy 100"},
		},
		"OfAMentionInTheFirstStatementOfTheUser": {
			`insert into tidings.comments (post_id, author_id, body, mentions) values ('q', 'cy', 'x', '{dee}'), ('q', 'dee', 'y', '{}')`,
			[]string{"dee mention cy 100"},
		},
		"OfAMentionOnApproval": {
			commenters + `update tidings.comments set mentions = '{dee}' where id = 2; update tidings.comments set status = 'published' where id = 2`,
			[]string{"dee mention bob 2", "ann reply bob 2", "pia comment bob 2"},
		},
		"OfAnotherPostsCommenterNobody": {
			`insert into tidings.comments (post_id, author_id, body) values ('q', 'dee', 'x'); insert into tidings.comments (post_id, author_id, body, mentions) values ('p', 'cy', 'x', '{dee}')`,
			[]string{"pia comment cy 101"},
		},
		"OfALikeOfThePost":           {likes + `('p', null, 'cy')`, []string{"pia like cy -"}},
		"OfALikeOfAComment":          {likes + `('p', 1, 'cy')`, []string{"ann like cy 1"}},
		"OfOnesOwnLikeNobody":        {likes + `('p', 1, 'ann'), ('p', null, 'pia')`, nil},
		"OfARepeatedLikeInOneCommit": {strings.ReplaceAll(likeAgain, "BREAK", ""), []string{"pia like cy -"}},
		"OfARepeatedLikeOnce":        {strings.ReplaceAll(likeAgain, "BREAK", "commit;"), []string{"pia like cy -"}},
		"OfEachLike": {
			likes + `('p', null, 'cy'), ('p', 1, 'cy'); commit; ` + likes + `('p', null, 'dee')`,
			[]string{"pia like cy -", "ann like cy 1", "pia like dee -"},
		},
		"OfAStatementInTheOrderOfIds": {
			reply + `('p', 1, 'cy', 'x'), ('p', 1, 'dee', 'x')`,
			[]string{"ann reply cy 100", "ann reply dee 101", "pia comment cy 100", "pia comment dee 101"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, setting)
			exec(t, conn, c.sql)
			got := list[string](t, conn, `
				select concat_ws(' ', user_id, kind, actor_id, coalesce(comment_id::text, '-'))
				from tidings.notifications
				order by id`)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			told := list[string](t, conn, `
				select concat_ws(' ', substr(topic, 6), data->>'kind', data->'actor'->>'id', coalesce(data->>'commentId', '-'))
				from (
					select distinct on (data->>'id') * -- a restored one is told again
					from tidings.log
					where name = 'notification' and data ? 'id'
					order by data->>'id', position
				) as e
				order by position`)
			if !slices.Equal(told, c.want) {
				t.Errorf("events %q, want %q", told, c.want)
			}
			countsAreRight(t, conn)
		})
	}
}

func TestNotifications_HaveTheDocumentedData(t *testing.T) {
	t.Parallel()

	conn, _ := database(t)
	exec(t, conn, setting)
	before := head(t, conn)
	const at = `
		select id || ' ' || to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
		from tidings.notifications
		order by id desc
		limit 1`
	exec(t, conn, `insert into tidings.likes (post_id, user_id) values ('p', 'bob')`)
	id, created := split(value[string](t, conn, at))
	same(t, conn, "notification", before, `{
		"id": "`+id+`", "kind": "like", "postId": "p", "count": 1, "unread": 1, "createdAt": "`+created+`", "readAt": null,
		"actor": {"id": "bob", "name": "BOB", "avatarUrl": "https://example.com/bob"}}`)

	before = head(t, conn)
	exec(t, conn, `insert into tidings.comments (id, post_id, author_id, body) values (7, 'p', 'new', 'x')`)
	id, created = split(value[string](t, conn, at))
	same(t, conn, "notification", before, `{
		"id": "`+id+`", "kind": "comment", "postId": "p", "commentId": "7", "unread": 2, "createdAt": "`+created+`", "readAt": null,
		"actor": {"id": "new", "name": "new", "avatarUrl": null}}`)
}

// Each notification has the number of unread ones after it. The likes of one target are one.
func TestNotifications_CountTheUnread(t *testing.T) {
	t.Parallel()

	const unread = `
		select concat_ws(' ', substr(topic, 6), data->>'unread')
		from tidings.events
		where name = 'notification' and position > $1
		order by position`
	conn, _ := database(t)
	exec(t, conn, setting)
	exec(t, conn, `insert into tidings.likes (post_id, comment_id, user_id) values ('p', null, 'cy')`)
	for _, c := range []struct {
		name, sql string
		want      []string
	}{
		{
			"SeveralInOneCommit",
			`insert into tidings.likes (post_id, comment_id, user_id)
			values ('p', null, 'dee'), ('p', 1, 'dee'), ('p', null, 'eve'), ('p', 1, 'eve');
			insert into tidings.comments (post_id, author_id, body) values ('p', 'eve', 'x')`,
			[]string{"pia 1", "ann 1", "pia 2"},
		},
		{
			"SomeReadInTheSameCommit",
			`insert into tidings.likes (post_id, user_id) values ('p', 'fay');
			update tidings.notifications set read_at = now()
			where id in (select id from tidings.notifications where user_id = 'pia' order by id limit 3);
			insert into tidings.likes (post_id, user_id) values ('p', 'gus')`,
			[]string{"pia 2"},
		},
		{
			"AsManyRead",
			`update tidings.notifications set read_at = now() where user_id = 'pia' and read_at is null;
			insert into tidings.comments (post_id, author_id, body) select 'p', 'hal', 'x' from generate_series(1, 3)`,
			[]string{"pia 0", "pia 1", "pia 2", "pia 3"},
		},
		{
			"AllRead",
			`update tidings.notifications set read_at = now() where user_id = 'pia'`,
			[]string{"pia 0"},
		},
		{"TheFirstAfterThat", `insert into tidings.likes (post_id, user_id) values ('p', 'ike')`, []string{"pia 1"}},
	} {
		before := head(t, conn)
		exec(t, conn, c.sql)
		if got := list[string](t, conn, unread, before); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		countsAreRight(t, conn)
	}
}
