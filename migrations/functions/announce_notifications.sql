-- Writes the events `notification` of a transaction. The four arrays have the same length: see
-- change_notifications. number calls it under the turn, after it has appended the counts.
--
-- First, for users with notifications that were read or are gone, {unread, read: [ids], readAt}, one for
-- each time, and {unread, withdrawn: [ids]}; null stands for more than 100 ids and for rows that are
-- not named. Then one event for each notification that is new or differs, as lists show it.
-- `unread` of an event is the number of unread notifications up to this event. count is the
-- number of other users who like the post or comment. A row that has gone since is not told.
create or replace function tidings.announce_notifications(told bigint[], told_users text[], told_came bigint[], told_unread bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    with change as (
        select
            c.id, c.user_id, c.came, n.read_at,
            coalesce(newest.unread, 0) as total,
            count(*) filter (where c.came = 1 and c.unread = 1) over (partition by c.user_id) as fresh,
            count(*) filter (where c.came = 1 and c.unread = 1) over (
                partition by c.user_id order by c.id rows between 1 following and unbounded following
            ) as later
        from unnest(told, told_users, told_came, told_unread) as c (id, user_id, came, unread)
        left join lateral (select id, read_at from tidings.notifications where notifications.id = c.id offset 0) as n on true
        left join lateral (
            select counts.unread
            from tidings.counts
            where counts.target = 'user:' || c.user_id
            order by counts.position desc
            limit 1
        ) as newest on true
        where c.came < 0 or c.id is null or n.id is not null
    ),
    outgoing as (
        select
            1 as part, min(change.id) as id, change.user_id,
            jsonb_build_object(
                'unread', change.total - change.fresh,
                case when change.came = 0 then 'read' else 'withdrawn' end,
                case when count(*) <= 100 and count(change.id) = count(*) then jsonb_agg(change.id::text order by change.id) end)
            || case when change.came = 0 and count(*) <= 100 and count(change.id) = count(*)
                    then jsonb_build_object('readAt', tidings.rfc3339(change.read_at))
                    else '{}' end as data
        from change
        where change.came <= 0
        group by change.user_id, change.came, change.read_at, change.total, change.fresh
        union all
        select
            2, notice.id, notice.user_id,
            jsonb_build_object(
                'id', notice.id::text,
                'kind', notice.kind,
                'postId', notice.post_id,
                'actor', jsonb_build_object('id', notice.actor_id), -- tidings.log adds the name
                'createdAt', tidings.rfc3339(notice.created_at),
                'readAt', case when notice.kind <> 'like' or likes.unread is null then tidings.rfc3339(notice.read_at) end,
                'unread', change.total - change.later)
            || case when notice.comment_id is null then '{}'
                    else jsonb_build_object('commentId', notice.comment_id::text) end
            || case when notice.kind = 'like' then jsonb_build_object('count', others.count) else '{}' end
            || case when notice.more then '{"more": true}'::jsonb else '{}' end
        from change
        cross join lateral (select * from tidings.notifications where notifications.id = change.id offset 0) as notice
        left join lateral (
            select greatest(1, coalesce((
                select likes
                from tidings.counts
                where target = coalesce('comment:' || notice.comment_id, 'post:' || notice.post_id)
                order by position desc
                limit 1
            ), 0) - case
                when notice.comment_id is null then exists (
                    select from tidings.likes
                    where likes.post_id = notice.post_id and likes.comment_id is null and likes.user_id = notice.user_id
                    offset 0
                )
                else exists (
                    select from tidings.likes
                    where likes.post_id = notice.post_id and likes.comment_id = notice.comment_id and likes.user_id = notice.user_id
                    offset 0
                )
            end::int) as count
            where notice.kind = 'like'
        ) as others on true
        left join lateral (
            select max(n.id) as unread
            from tidings.notifications as n
            where notice.kind = 'like' and n.user_id = notice.user_id and n.post_id = notice.post_id
                and coalesce(n.comment_id, 0) = coalesce(notice.comment_id, 0)
                and n.kind = 'like' and (n.read_at is null)::integer = 1
        ) as likes on true
        where change.came = 1
    )
    insert into tidings.events (position, topic, name, data)
    select nextval('tidings.positions'), 'user:' || user_id, 'notification', data
    from (select * from outgoing order by part, id) as o;
end
$$;
