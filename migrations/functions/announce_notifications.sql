-- Writes an event `notification` for each of the notifications with these ids, and appends the
-- counts of unread notifications of their users. number calls it under the turn, after it
-- has appended the other counts of the transaction.
--
-- `unread` of an event is the number of unread notifications of its user, up to this one.
create or replace function tidings.announce_notifications(ids bigint[]) returns void
language plpgsql
as $$
begin
    with notice as (
        select
            n.id, n.user_id, n.kind, n.post_id, n.comment_id, n.actor_id, n.created_at,
            coalesce(newest.unread, 0) + row_number() over (partition by n.user_id order by n.id) as unread
        from unnest(ids) as i (id)
        cross join lateral (select * from tidings.notifications where notifications.id = i.id offset 0) as n
        left join lateral (
            select unread
            from tidings.counts
            where counts.target = 'user:' || n.user_id
            order by counts.position desc
            limit 1
        ) as newest on true
    ),
    written as (
        insert into tidings.events (position, topic, name, data)
        select nextval('tidings.positions'), 'user:' || user_id, 'notification', data
        from (
            select
                notice.user_id,
                jsonb_build_object(
                    'id', notice.id::text,
                    'kind', notice.kind,
                    'postId', notice.post_id,
                    'actor', tidings.user_data(notice.actor_id, actor.name, actor.avatar_url),
                    'createdAt', tidings.rfc3339(notice.created_at),
                    'unread', notice.unread)
                || case when notice.comment_id is null then '{}'
                        else jsonb_build_object('commentId', notice.comment_id::text) end as data
            from notice
            left join lateral (
                select name, avatar_url
                from tidings.users
                where users.id = notice.actor_id
                offset 0
            ) as actor on true
            order by notice.id
        ) as o
        returning position
    )
    insert into tidings.counts (target, position, unread)
    select 'user:' || user_id, (select max(position) from written), max(unread)
    from notice
    group by user_id;
end
$$;
