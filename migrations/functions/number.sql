create or replace function tidings.number(mine xid8) returns void
language plpgsql
as $$
begin
    if not exists (
        select from tidings.pending
        where xact = mine and (recipient is not null or target like 'user:%')
    ) then
        perform tidings.number_quietly(mine);
        return;
    end if;
    with gathered as (
        delete from tidings.pending
        where xact = mine
        returning *
    ),
    noticed as (
        insert into tidings.notifications (user_id, kind, post_id, comment_id, actor_id)
        select recipient, kind, post_id, comment_id, actor_id
        from gathered
        where recipient is not null
        order by n
        on conflict do nothing -- a like given again
        returning *
    ),
    change as (
        select target, post_id, comments, likes, unread from gathered where target is not null
        union all
        select 'user:' || user_id, null, 0, 0, 1 from noticed
    ),
    total as (
        select
            target,
            min(post_id) as post_id,
            sum(comments) as comments,
            sum(likes) as likes,
            sum(unread) as unread
        from change
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
    -- What the user reads in this commit counts as read before its notifications.
    -- Not joined with `counted`: neither side has an index.
    news as (
        select
            n.id, n.user_id, n.kind, n.post_id, n.comment_id, n.actor_id, n.created_at,
            sum(n.unread) over (partition by n.user_id order by n.id nulls first) as unread
        from (
            select id, user_id, kind, post_id, comment_id, actor_id, created_at, 1 as unread from noticed
            union all
            select null, substr(target, length('user:') + 1), null, null, null, null, null, unread
            from gathered
            where target like 'user:%'
        ) as n
    ),
    outgoing as (
        select 1 as part, n, topic, name, data
        from gathered
        where topic is not null
        union all
        select 2, 0, target, 'comment-count',
            jsonb_build_object('postId', post_id, 'count', comments)
        from counted
        where comments_changed and target like 'post:%'
        union all
        select 3, 0, 'post:' || post_id, 'like-update',
            jsonb_build_object('postId', post_id, 'count', likes)
            || case when target like 'comment:%'
                    then jsonb_build_object('commentId', substr(target, length('comment:') + 1))
                    else '{}' end
        from counted
        where likes_changed and post_id is not null
        union all
        select 4, news.id, 'user:' || news.user_id, 'notification',
            jsonb_build_object(
                'id', news.id::text,
                'kind', news.kind,
                'postId', news.post_id,
                'actor', tidings.user_data(news.actor_id, actor.name, actor.avatar_url),
                'createdAt', tidings.rfc3339(news.created_at),
                'unread', coalesce(newest.unread, 0) + news.unread)
            || case when news.comment_id is null then '{}'
                    else jsonb_build_object('commentId', news.comment_id::text) end
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
    ),
    written as (
        insert into tidings.events (position, topic, name, data)
        select nextval('tidings.positions'), topic, name, data
        from (select * from outgoing order by part, n, topic) as o
        returning position
    )
    insert into tidings.counts (target, position, comments, likes, unread)
    select
        target,
        coalesce((select max(position) from written), nextval('tidings.positions')),
        comments, likes, unread
    from counted;
end
$$;
