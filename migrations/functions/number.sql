-- Moves the rows of a transaction from `pending` to `events` with the next positions, and
-- adds its counts to the newest ones. mine is the transaction. flush calls it under the turn.
--
-- The order of the events:
--   1. `comment-deleted` for tombstones that appear: see keep_tombstones;
--   2. the own events of the transaction, as they happened;
--   3. `comment-deleted` for tombstones that go;
--   4. `comment-count`, one for each post whose count has changed;
--   5. `like-update`, one for each post and comment whose count has changed;
--   6. `liked`, one for each user that rows with this name are about, as they happened. Of a comment
--      that is shown again, one for each like: they are read under the turn, because a like that
--      was removed meanwhile must not come back;
--   7. `notification`: see announce_notifications.
-- A count that ends as it began (a like that is removed again) has no event and no row. But a post
-- that was deleted and has comments or likes again has the event: post-deleted stands for zeros.
--
-- The new counts are written first, and each event shows the counts after its transaction
-- (complete_events). So no event has an older count than an event before it. The counts are rows
-- at the position of the first event, so an older snapshot finds the counts that belong to it.
--
-- Most transactions add comments without a parent, whose counts are zeros from the start
-- (comments_inserted), or likes. They have no tombstones and no events to complete. To look for
-- such work is cheaper than to begin a statement that has nothing to do. For the same reason, there are
-- two statements for events, because few transactions have events of both.
create or replace function tidings.number(mine xid8) returns void
language plpgsql
as $$
#variable_conflict use_variable
declare
    notified boolean; -- whether notifications have changed
    ranked   boolean; -- whether likes of comments have changed
    emptied  boolean; -- whether a post was deleted
    related  boolean; -- whether an event needs counts, or a tombstone may change
    early    boolean; -- whether there may be events of parts 1 to 4
    late     boolean; -- whether there may be events of parts 5 to 7, except those of announce_notifications
    -- What change_notifications returns.
    told        bigint[];
    told_users  text[];
    told_came   bigint[];
    told_unread bigint[];
    -- The targets with new counts. The post is null for those without an event.
    targets text[];
    posts   text[];
    counted bigint[]; -- comments, null if their number has not changed
    liked   bigint[]; -- likes, null if their number has not changed
    unread  bigint[]; -- of a user after a recount
    first   bigint; -- the position of the first event and of the counts
begin
    select
        bool_or(came is not null),
        bool_or(likes <> 0 and target like 'comment:%'),
        coalesce(bool_or(name = 'post-deleted'), false),
        bool_or(name in ('post-deleted', 'post-updated'))
            or bool_or(comment_id is not null and (topic is not null or name = 'comment-deleted') and not data ? 'likeCount')
            or bool_or(name = 'new-comment') and bool_or(target like 'comment:%'),
        bool_or(topic is not null or comments <> 0),
        bool_or(likes <> 0 or name in ('liked', 'post-deleted') or came is null and target like 'user:%')
    into notified, ranked, emptied, related, early, late
    from tidings.pending
    where xact = mine;

    if notified then
        select c.told, c.told_users, c.told_came, c.told_unread
        into told, told_users, told_came, told_unread
        from tidings.change_notifications(mine) as c;
    end if;

    -- The next position, which the first event takes.
    first := pg_sequence_last_value('tidings.positions') + 1;
    if first is null then -- the sequence was not used yet, or was restarted
        select last_value into first from tidings.positions;
    end if;

    with total as (
        select
            target, min(post_id) as post_id, bool_or(recounted) as recounted,
            sum(part.comments) as comments, sum(part.likes) as likes, sum(part.unread) as unread, sum(part.thread) as thread
        from (
            select target, post_id, target like 'user:%' as recounted, p.comments, p.likes, p.unread, p.thread
            from tidings.pending as p
            where xact = mine and target is not null and came is null
            union all
            select 'user:' || c.user_id, null, false, 0, 0, c.unread, 0
            from unnest(told_users, told_unread) as c (user_id, unread)
        ) as part
        group by target
    ),
    newest as materialized (
        select
            total.target, total.post_id, total.recounted,
            coalesce(n.comments, 0) + total.comments as comments,
            coalesce(n.likes, 0) + total.likes as likes,
            coalesce(n.unread, 0) + total.unread as unread,
            coalesce(n.thread, 0) + total.thread as thread,
            total.comments <> 0 as comments_changed,
            total.likes <> 0 as likes_changed,
            total.comments <> 0 or total.likes <> 0 or total.unread <> 0 or total.thread <> 0 as changed,
            -- post-deleted stands for zeros.
            emptied and total.target in (select topic from tidings.pending where xact = mine and name = 'post-deleted') as emptied
        from total
        left join lateral (
            select *
            from tidings.counts
            where counts.target = total.target
            order by counts.position desc
            limit 1
        ) as n on true
    ),
    written as (
        insert into tidings.counts (target, position, comments, likes, unread, thread)
        select newest.target, first, newest.comments, newest.likes, newest.unread, newest.thread
        from newest
        where newest.changed
    )
    select
        array_agg(newest.target), array_agg(newest.post_id),
        array_agg(case when comments_changed or newest.emptied and newest.comments <> 0 then newest.comments end),
        array_agg(case when likes_changed or newest.emptied and newest.likes <> 0 then newest.likes end),
        array_agg(case when recounted and changed then newest.unread end)
    into targets, posts, counted, liked, unread
    from newest
    where post_id is not null or recounted;

    if ranked then
        perform tidings.rank_comments(mine);
    end if;

    if related then
        perform tidings.keep_tombstones(mine);
        perform tidings.complete_events(mine);
    end if;

    if early then
        insert into tidings.events (position, topic, name, data, comment_id)
        select nextval('tidings.positions'), o.topic, o.name, o.data, o.comment_id
        from (
            select 1 as part, n, topic, name, data, comment_id
            from tidings.pending
            where xact = mine and topic is not null
            union all
            select 4, 0, 'post:' || c.post_id, 'comment-count', jsonb_build_object('postId', c.post_id, 'count', c.comments), null
            from unnest(targets, posts, counted) as c (target, post_id, comments)
            where c.comments is not null and c.target like 'post:%'
            order by part, n, topic
        ) as o;
    end if;

    if late then
        insert into tidings.events (position, topic, name, data)
        select nextval('tidings.positions'), o.topic, o.name, o.data
        from (
            select 5 as part, 0 as n, 'post:' || c.post_id as topic, 'like-update' as name,
                jsonb_build_object('postId', c.post_id, 'count', c.likes)
                || case when c.target like 'comment:%'
                        then jsonb_build_object('commentId', substr(c.target, length('comment:') + 1))
                        else '{}' end as data
            from unnest(targets, posts, liked) as c (target, post_id, likes)
            where c.likes is not null and c.post_id is not null
            union all
            select 6, p.n, 'user:' || coalesce(p.actor_id, users.id), p.name,
                jsonb_build_object('postId', p.post_id, 'liked', p.likes >= 0)
                || case when p.comment_id is null then '{}' else jsonb_build_object('commentId', p.comment_id::text) end
            from tidings.pending as p
            left join lateral jsonb_array_elements_text(p.data) as users (id) on true
            where p.xact = mine and p.name = 'liked' and p.topic is null and (p.actor_id is not null or p.data is not null)
            union all
            select 6, shown.n, 'user:' || l.user_id, 'liked',
                jsonb_build_object('postId', shown.post_id, 'liked', true, 'commentId', shown.comment_id::text)
            from tidings.pending as shown
            cross join lateral tidings.likers(shown.post_id, shown.comment_id) as l (user_id)
            where shown.xact = mine and shown.name = 'liked' and shown.topic is null and shown.actor_id is null and shown.data is null
            union all
            select 7, 0, c.target, 'notification', jsonb_build_object('unread', c.unread, 'read', null)
            from unnest(targets, unread) as c (target, unread)
            where c.unread is not null
            order by part, n, topic
        ) as o;
    end if;

    delete from tidings.pending
    where xact = mine;

    if told_users is not null then
        perform tidings.announce_notifications(told, told_users, told_came, told_unread);
    end if;

    -- Without an event, the counts take the position.
    if coalesce(pg_sequence_last_value('tidings.positions'), 0) < first then
        first := nextval('tidings.positions');
    end if;
end
$$;
