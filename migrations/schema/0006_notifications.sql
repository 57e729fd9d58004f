-- Notifications of mentions, likes that are folded, and a limit for each thread.

-- thread_id is the comment at the top of the thread that the notification is from. It is 0 for
-- comments without a parent and for likes of the post: these have one thread for each post.
-- more: the thread has reached its limit with this row (functions/notify.sql), so others
-- may have followed without a notification.
-- dismissed: SQL has deleted the row from `notifications`. It is not restored, and keeps an equal
-- notification from being made again.
alter table tidings.notifications
    add column thread_id bigint not null default 0,
    add column more boolean not null default false;
alter table tidings.withdrawn
    add column thread_id bigint not null default 0,
    add column more boolean not null default false,
    add column dismissed boolean not null default false;

-- Unread likes of one target are counted once.
lock table tidings.turn in exclusive mode;
insert into tidings.counts (target, position, unread)
select fact.target, nextval('tidings.positions'), fact.unread
from (
    select 'user:' || user_id as target, count(*) as unread
    from (
        select user_id
        from tidings.notifications
        where read_at is null and kind <> 'like'
        union all
        select user_id
        from tidings.notifications
        where read_at is null and kind = 'like'
        group by user_id, post_id, comment_id
    ) as n
    group by user_id
) as fact
cross join lateral (
    select unread
    from tidings.counts
    where target = fact.target
    order by position desc
    limit 1
) as newest
where newest.unread <> fact.unread;

-- A comment notifies a user once, also after it has got another author. Of several rows the oldest
-- stays.
-- The trigger on the table counts the unread ones that go.
delete from tidings.notifications as n
using tidings.notifications as older
where older.user_id = n.user_id and older.comment_id = n.comment_id and older.id < n.id
    and older.kind <> 'like' and n.kind <> 'like';
drop index tidings.notifications_once;
create unique index notifications_comment_once on tidings.notifications (user_id, comment_id) where kind <> 'like';
create unique index notifications_like_once
    on tidings.notifications (user_id, actor_id, post_id, comment_id) nulls not distinct
    where kind = 'like';

-- The likes of one post or comment are one notification to their user. It is unread if one of
-- them is.
create index notifications_folded
    on tidings.notifications (user_id, post_id, coalesce(comment_id, 0), ((read_at is null)::integer), id)
    where kind = 'like';
-- What a thread has caused in the last minute.
create index notifications_by_thread on tidings.notifications (user_id, post_id, thread_id, created_at);
-- Retention.
create index notifications_by_read_at on tidings.notifications (read_at) where read_at is not null;

-- Whether a user has commented on a post.
create index comments_by_author on tidings.comments (author_id, post_id);
