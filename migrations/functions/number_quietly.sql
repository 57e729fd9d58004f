create or replace function tidings.number_quietly(mine xid8) returns void
language plpgsql
as $$
begin
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
