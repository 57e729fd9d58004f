-- Inserts the notifications of a transaction, and adds to `pending` an event `notification`
-- and one unread notification for each. mine is the transaction. number calls it under the
-- turn, if the transaction has a row with a recipient.
--
-- A repeated like inserts nothing (index notifications_like_once). `unread` of an event is
-- the number of unread notifications of its user at that point: the newest count, plus what
-- the transaction itself has read, plus the notifications up to this one.
create or replace function tidings.add_notifications(mine xid8) returns void
language plpgsql
as $$
begin
    with noticed as (
        insert into tidings.notifications (user_id, kind, post_id, comment_id, actor_id)
        select recipient, kind, post_id, comment_id, actor_id
        from tidings.pending
        where xact = mine and recipient is not null
        order by n
        on conflict do nothing
        returning *
    ),
    -- A row without id is what the transaction has read. It comes first.
    news as (
        select
            n.id, n.user_id, n.kind, n.post_id, n.comment_id, n.actor_id, n.created_at,
            sum(n.unread) over (partition by n.user_id order by n.id nulls first) as unread
        from (
            select id, user_id, kind, post_id, comment_id, actor_id, created_at, 1 as unread
            from noticed
            union all
            select null, substr(target, length('user:') + 1), null, null, null, null, null, unread
            from tidings.pending
            where xact = mine and target like 'user:%'
        ) as n
    )
    insert into tidings.pending (topic, name, data, target, unread)
    select
        'user:' || news.user_id, 'notification',
        jsonb_build_object(
            'id', news.id::text,
            'kind', news.kind,
            'postId', news.post_id,
            'actor', tidings.user_data(news.actor_id, actor.name, actor.avatar_url),
            'createdAt', tidings.rfc3339(news.created_at),
            'unread', coalesce(newest.unread, 0) + news.unread)
        || case when news.comment_id is null then '{}'
                else jsonb_build_object('commentId', news.comment_id::text) end,
        'user:' || news.user_id, 1
    from news
    left join lateral (
        select unread
        from tidings.counts
        where counts.target = 'user:' || news.user_id
        order by counts.position desc
        limit 1
    ) as newest on true
    left join lateral (
        select name, avatar_url
        from tidings.users
        where users.id = news.actor_id
        offset 0
    ) as actor on true
    where news.id is not null
    order by news.id;
end
$$;
