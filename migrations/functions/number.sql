-- Moves the rows of a transaction from `pending` to `events` with the next positions, and
-- adds its counts to the newest ones. mine is the transaction. flush calls it under the turn.
--
-- The order of the events:
--   1. `comment-deleted` for tombstones that appear: see change_tombstones;
--   2. the own events of the transaction, as they happened;
--   3. `comment-deleted` for tombstones that go;
--   4. `comment-count`, one for each post whose count has changed;
--   5. `like-update`, one for each post and comment whose count has changed;
--   6. `notification`: see announce_notifications.
-- A count that ends as it began (a like that is removed again) has no event and no row.
--
-- New counts are rows at the position of the last event, so an older snapshot finds the
-- counts that belong to it. If there is no event, they get the next position.
create or replace function tidings.number(mine xid8) returns void
language plpgsql
as $$
declare
    -- The rows of `notifications` that this transaction has changed: id, user, and by how
    -- much the rows and the unread rows of the user changed.
    told        bigint[];
    told_users  text[];
    told_came   bigint[];
    told_unread bigint[];
    stones      record; -- the events of tombstones
begin
    -- To look is cheaper than to begin a statement that has nothing to do.
    if exists (select from tidings.pending where xact = mine and notification_id is not null) then
        select array_agg(n.id), array_agg(n.user_id), array_agg(n.came), array_agg(n.unread)
        into told, told_users, told_came, told_unread
        from (
            select
                notification_id as id,
                min(substr(target, length('user:') + 1)) as user_id,
                sum(came) as came,
                sum(unread) as unread
            from tidings.pending
            where xact = mine and notification_id is not null
            group by notification_id
            having sum(came) <> 0 or sum(unread) <> 0
        ) as n;
    end if;

    select * into stones from tidings.change_tombstones(mine);

    with gathered as (
        delete from tidings.pending
        where xact = mine
        returning *
    ),
    total as (
        select
            target,
            min(post_id) as post_id,
            sum(comments) as comments,
            sum(likes) as likes,
            sum(unread) as unread
        from gathered
        where target is not null
        group by target
        having sum(comments) <> 0 or sum(likes) <> 0 or sum(unread) <> 0
    ),
    counted as (
        select
            total.target,
            total.post_id,
            coalesce(newest.comments, 0) + total.comments as comments,
            coalesce(newest.likes, 0) + total.likes as likes,
            coalesce(newest.unread, 0) + total.unread as unread,
            total.comments <> 0 as comments_changed,
            total.likes <> 0 as likes_changed
        from total
        left join lateral (
            select *
            from tidings.counts
            where counts.target = total.target
            order by counts.position desc
            limit 1
        ) as newest on true
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
        select 6, 0, target, 'notification',
            jsonb_build_object('unread', unread, 'read', null), null
        from counted
        where told is null and target like 'user:%' -- a recount
    ),
    written as (
        insert into tidings.events (position, topic, name, data, comment_id)
        select nextval('tidings.positions'), topic, name, data, comment_id
        from (select * from outgoing order by part, n, topic) as o
        returning position
    )
    insert into tidings.counts (target, position, comments, likes, unread)
    select
        target,
        coalesce((select max(position) from written), nextval('tidings.positions')),
        comments, likes, unread
    from counted;

    if told is not null then
        perform tidings.announce_notifications(told, told_users, told_came, told_unread);
    end if;
end
$$;
