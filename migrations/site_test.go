package migrations_test

import (
	"slices"
	"testing"
)

// A site may have triggers on our tables, before and after ours. Events show the rows as
// these triggers leave them.
func TestTriggersOfTheSite(t *testing.T) {
	t.Parallel()

	db := share(t, 1)
	t.Run("EventsShowTheirChanges", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, `
			create function censor() returns trigger language plpgsql as $$
			begin
				update tidings.comments set body = '***' where id = new.id and body ~ 'bad';
				return null;
			end $$;
			create trigger a_censor after insert on tidings.comments for each row execute function censor()`)
		exec(t, conn, `insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', 'bad word'), ('p', 'ann', 'good word')`)
		got := list[string](t, conn, `
			select distinct on (data ->> 'id') (data ->> 'body') || ' ' || (data ->> 'version')
			from tidings.log
			where name in ('new-comment', 'comment-updated')
			order by data ->> 'id', position desc`)
		if want := []string{"*** 2", "good word 1"}; !slices.Equal(got, want) {
			t.Errorf("the last events show %q, want %q", got, want)
		}
	})
	for name, act := range map[string]string{
		"CommentsTheyHideHaveNoEvent":   `update tidings.comments set status = 'spam' where id = new.id and body ~ 'bad'`,
		"CommentsTheyDeleteHaveNoEvent": `delete from tidings.comments where id = new.id and body ~ 'bad'`,
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, `
				create function hide() returns trigger language plpgsql as $$
				begin
					`+act+`;
					return null;
				end $$;
				create trigger a_hide after insert on tidings.comments for each row execute function hide()`)
			exec(t, conn, `insert into tidings.posts (id, author_id) values ('p', 'pia')`)
			exec(t, conn, `insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', 'good word')`)
			exec(t, conn, `insert into tidings.comments (post_id, parent_id, author_id, body) values ('p', 1, 'bob', 'bad word'), ('p', 1, 'bob', 'fine word')`)
			told := list[string](t, conn, `select data ->> 'body' from tidings.log where name = 'new-comment' order by position`)
			if want := []string{"good word", "fine word"}; !slices.Equal(told, want) {
				t.Errorf("events show %q, want %q", told, want)
			}
			notified := list[string](t, conn, `select concat_ws(' ', user_id, kind, comment_id) from tidings.notifications order by id`)
			if want := []string{"pia comment 1", "ann reply 3", "pia comment 3"}; !slices.Equal(notified, want) {
				t.Errorf("notifications are %q, want %q", notified, want)
			}
			if got := value[int64](t, conn, `select count(*) from tidings.counts where least(comments, likes, unread) < 0`); got != 0 {
				t.Errorf("%d counts are negative", got)
			}
			if got := value[int64](t, conn, `select tidings.recount()`); got != 0 {
				t.Errorf("recount repaired %d", got)
			}
		})
	}
	for name, act := range map[string]string{
		"EditsOfCommentsTheyHideHaveNoEvent":   `update tidings.comments set status = 'pending' where id = new.id and body ~ 'bad' and status = 'published'`,
		"EditsOfCommentsTheyDeleteHaveNoEvent": `delete from tidings.comments where id = new.id and body ~ 'bad' and status = 'published'`,
	} {
		t.Run(name, func(t *testing.T) {
			conn := db.again(t)
			exec(t, conn, `
				create function hide() returns trigger language plpgsql as $$
				begin
					`+act+`;
					return null;
				end $$;
				insert into tidings.comments (post_id, author_id, body) values ('p', 'ann', 'good word');
				insert into tidings.comments (post_id, parent_id, author_id, body, status) values
					('p', 1, 'bob', 'bad reply', 'pending'), ('p', 1, 'bob', 'a reply', 'pending'), ('p', null, 'bob', 'a word', 'published');
				create trigger a_hide after update on tidings.comments for each row execute function hide()`)
			exec(t, conn, `update tidings.comments set body = 'bad word' where id = 4`)
			exec(t, conn, `update tidings.comments set status = 'published' where id in (2, 3)`)
			told := list[string](t, conn, `
				select data ->> 'body' from tidings.log where name in ('new-comment', 'comment-updated') order by position`)
			if want := []string{"good word", "", "a reply"}; !slices.Equal(told, want) { // "a word" is gone from the log, too
				t.Errorf("events show %q, want %q", told, want)
			}
			if got := value[int64](t, conn, `select tidings.recount()`); got != 0 {
				t.Errorf("recount repaired %d", got)
			}
		})
	}
	t.Run("TheAuthorThatTheyGiveAPostIsNotified", func(t *testing.T) {
		conn := db.again(t)
		exec(t, conn, `
			create function own() returns trigger language plpgsql as $$
			begin
				new.author_id := 'pia';
				return new;
			end $$;
			create trigger own before insert on tidings.posts for each row execute function own()`)
		exec(t, conn, `insert into tidings.likes (post_id, user_id) values ('p', 'ann')`)
		exec(t, conn, `insert into tidings.comments (post_id, author_id, body) values ('q', 'ann', 'x')`)
		got := list[string](t, conn, `select concat_ws(' ', user_id, kind, post_id) from tidings.notifications order by id`)
		if want := []string{"pia like p", "pia comment q"}; !slices.Equal(got, want) {
			t.Errorf("notifications are %q, want %q", got, want)
		}
	})
}
