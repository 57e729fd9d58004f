-- Moves the rows of a transaction from `pending` to `events` with the next positions, and
-- adds its counts to the newest ones. mine is the transaction. flush calls it under the turn.
--
-- The order of the events:
--   1. `comment-deleted` for tombstones that appear: see change_tombstones;
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
-- The new counts are written first, and each event shows the counts after its transaction. So no
-- event has an older count than an event before it:
--   new-comment and comment-updated: likeCount, replyCount and threadCount of the comment;
--   comment-deleted: the same of the tombstone, if there is one;
--   those three, of a reply: rootId, and in thread the replyCount of the parent and the threadCount
--   of the root;
--   moderation: the counts of its comment, and the number of pending comments;
--   post-updated: commentCount and likeCount of the post.
-- The counts are rows at the position of the first event, so an older snapshot finds the counts
-- that belong to it.
create or replace function tidings.number(mine xid8) returns void
language plpgsql
as $$
declare
    -- What change_notifications returns.
    told        bigint[];
    told_users  text[];
    told_came   bigint[];
    told_unread bigint[];
    stones      record; -- the events of tombstones
    first       bigint; -- the position of the first event and of the counts
begin
    -- To look is cheaper than to begin a statement that has nothing to do.
    if exists (select from tidings.pending where xact = mine and came is not null) then
        select c.told, c.told_users, c.told_came, c.told_unread
        into told, told_users, told_came, told_unread
        from tidings.change_notifications(mine) as c;
    end if;

    first := nextval('tidings.positions');
    insert into tidings.counts (target, position, comments, likes, unread, thread)
    select
        total.target,
        first,
        coalesce(newest.comments, 0) + total.comments,
        coalesce(newest.likes, 0) + total.likes,
        coalesce(newest.unread, 0) + total.unread,
        coalesce(newest.thread, 0) + total.thread
    from (
        select target, sum(comments) as comments, sum(likes) as likes, sum(unread) as unread, sum(thread) as thread
        from (
            select target, comments, likes, unread, thread
            from tidings.pending
            where xact = mine and target is not null and came is null
            union all
            select 'user:' || c.user_id, 0, 0, c.unread, 0
            from unnest(told_users, told_unread) as c (user_id, unread)
        ) as part
        group by target
        having sum(comments) <> 0 or sum(likes) <> 0 or sum(unread) <> 0 or sum(thread) <> 0
    ) as total
    left join lateral (
        select *
        from tidings.counts
        where counts.target = total.target
        order by counts.position desc
        limit 1
    ) as newest on true;

    if exists (select from tidings.pending where xact = mine and likes <> 0 and target like 'comment:%') then
        perform tidings.rank_comments(mine);
    end if;

    select * into stones from tidings.change_tombstones(mine);

    with gathered as (
        delete from tidings.pending
        where xact = mine
        returning *
    ),
    counted as (
        select
            total.target, total.post_id, newest.comments, newest.likes, newest.unread,
            total.comments_changed or total.emptied and newest.comments <> 0 as comments_changed,
            total.likes_changed or total.emptied and newest.likes <> 0 as likes_changed
        from (
            select
                target, min(post_id) as post_id, sum(comments) <> 0 as comments_changed, sum(likes) <> 0 as likes_changed,
                target in (select topic from gathered where name = 'post-deleted') as emptied
            from gathered
            where target is not null and came is null
            group by target
            having sum(comments) <> 0 or sum(likes) <> 0 or sum(unread) <> 0
                or target in (select topic from gathered where name = 'post-deleted')
        ) as total
        cross join lateral (
            select *
            from tidings.counts
            where counts.target = total.target
            order by counts.position desc
            limit 1
        ) as newest
    ),
    outgoing as (
        select 1 as part, ord as n, 'post:' || post_id as topic, name, data, comment_id
        from unnest(stones.early_ids, stones.early_names, stones.early_posts, stones.early_data)
            with ordinality as early (comment_id, name, post_id, data, ord)
        union all
        select 2, n, topic, name, data, comment_id
        from gathered
        where topic is not null
        union all
        select 3, ord, 'post:' || post_id, 'comment-deleted', data, comment_id
        from unnest(stones.late_ids, stones.late_posts, stones.late_data)
            with ordinality as late (comment_id, post_id, data, ord)
        union all
        select 4, 0, target, 'comment-count',
            jsonb_build_object('postId', post_id, 'count', comments), null
        from counted
        where comments_changed and post_id is not null and target like 'post:%'
        union all
        select 5, 0, 'post:' || post_id, 'like-update',
            jsonb_build_object('postId', post_id, 'count', likes)
            || case when target like 'comment:%'
                    then jsonb_build_object('commentId', substr(target, length('comment:') + 1))
                    else '{}' end,
            null
        from counted
        where likes_changed and post_id is not null
        union all
        select 7, 0, target, 'notification',
            jsonb_build_object('unread', unread, 'read', null), null
        from counted
        where target like 'user:%' -- a recount
    ),
    -- The counts that an event shows: of its comment or post, of the parent and of the thread.
    complete as (
        select
            o.part, o.n, o.topic, o.name, o.comment_id,
            case
                when o.name = 'post-updated' then
                    o.data || jsonb_build_object('commentCount', coalesce(own.comments, 0), 'likeCount', coalesce(own.likes, 0))
                when o.name = 'moderation' then
                    o.data || jsonb_build_object(
                        'comment', (o.data -> 'comment') || jsonb_build_object(
                            'likeCount', coalesce(own.likes, 0), 'replyCount', coalesce(own.comments, 0), 'threadCount', coalesce(own.thread, 0)),
                        'pending', coalesce(queue.comments, 0))
                when o.comment_id is not null then
                    o.data
                    || case
                        when o.name <> 'comment-deleted' then jsonb_build_object(
                            'likeCount', coalesce(own.likes, 0), 'replyCount', coalesce(own.comments, 0), 'threadCount', coalesce(own.thread, 0))
                        when o.data ->> 'tombstone' is null then '{}'
                        else jsonb_build_object('tombstone', (o.data -> 'tombstone') || jsonb_build_object(
                            'likeCount', coalesce(own.likes, 0), 'replyCount', coalesce(own.comments, 0), 'threadCount', coalesce(own.thread, 0)))
                    end
                    || case when root.id is null then '{}' else jsonb_build_object(
                        'rootId', root.id,
                        'thread', jsonb_build_object(
                            'parentReplyCount', coalesce(parent.comments, 0), 'threadCount', coalesce(thread.thread, 0))) end
                else o.data
            end as data
        from outgoing as o
        left join lateral (
            select comments, likes, thread
            from tidings.counts
            where target = case
                when o.name = 'post-updated' then o.topic
                when o.name <> 'comment-deleted' or o.data ->> 'tombstone' is not null then 'comment:' || o.comment_id
            end
            order by position desc
            limit 1
        ) as own on true
        cross join lateral (
            -- A comment that was inserted before its parent had no root then. The CASE and OFFSET 0 keep
            -- Postgres from a look at `comments` for each event and each use of the root.
            select case
                when o.comment_id is not null and o.data ->> 'parentId' is not null
                    then coalesce(o.data ->> 'rootId', (select root_id::text from tidings.comments where comments.id = o.comment_id))
            end as id
            offset 0
        ) as root
        left join lateral (
            select comments
            from tidings.counts
            where target = 'comment:' || (o.data ->> 'parentId') and root.id is not null
            order by position desc
            limit 1
        ) as parent on true
        left join lateral (
            select counts.thread
            from tidings.counts
            where target = 'comment:' || root.id
            order by position desc
            limit 1
        ) as thread on true
        left join lateral (
            select comments
            from tidings.counts
            where target = 'moderation' and o.name = 'moderation'
            order by position desc
            limit 1
        ) as queue on true
        union all
        select 6, n, 'user:' || coalesce(actor_id, users.id), name, null,
            jsonb_build_object('postId', post_id, 'liked', likes >= 0)
            || case when comment_id is null then '{}' else jsonb_build_object('commentId', comment_id::text) end
        from gathered
        left join lateral jsonb_array_elements_text(data) as users (id) on true
        where name = 'liked' and topic is null and (actor_id is not null or data is not null)
        union all
        select 6, shown.n, 'user:' || l.user_id, 'liked', null,
            jsonb_build_object('postId', l.post_id, 'liked', true, 'commentId', l.comment_id::text)
        from gathered as shown
        cross join lateral (
            select user_id, post_id, comment_id
            from tidings.likes
            where likes.post_id = shown.post_id and likes.comment_id = shown.comment_id
            offset 0
        ) as l
        where shown.name = 'liked' and shown.topic is null and shown.actor_id is null and shown.data is null
    )
    insert into tidings.events (position, topic, name, data, comment_id)
    select
        case when o.rank = 1 then first else nextval('tidings.positions') end,
        o.topic, o.name, o.data, o.comment_id
    from (
        select *, row_number() over (order by part, n, topic) as rank
        from complete
        order by part, n, topic
    ) as o;

    if told_users is not null then
        perform tidings.announce_notifications(told, told_users, told_came, told_unread);
    end if;
end
$$;
