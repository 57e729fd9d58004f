-- Returns what a transaction has changed in the notifications of users, as lists show them. Of each:
-- the id and the user; 1 if the notification is new or differs from what readers have, -1 if it is gone,
-- 0 if it was only read; by how much the unread notifications of the user change. The id is
-- null for a user with more changed rows than an event names.
--
-- The likes of one post or comment are one notification, that of the newest like, which is unread
-- if one of them is. If the transaction leaves one of the likes, it is told with the id of the
-- newest, and otherwise all ids that went are told. mine is the transaction. number calls it under
-- the turn, so it sees every change that was numbered before. It counts the unread likes of a
-- target only as far as it must: up to one more than the transaction has added.
create or replace function tidings.change_notifications(
    mine xid8, out told bigint[], out told_users text[], out told_came bigint[], out told_unread bigint[]
)
language plpgsql
as $$
#variable_conflict use_variable
begin
    -- Without likes and without rows that stand for many, which need more steps.
    if not exists (select from tidings.pending where xact = mine and came is not null and (kind = 'like' or notification_id is null)) then
        select array_agg(id), array_agg(user_id), array_agg(came), array_agg(change)
        into told, told_users, told_came, told_unread
        from (
            select
                notification_id as id,
                substr(min(target), length('user:') + 1) as user_id,
                case
                    when sum(pending.came) <> 0 then sum(pending.came)
                    else (sum(unread) > 0 or coalesce(bool_or(name = 'notification'), false))::int
                end as came,
                sum(unread)::bigint as change
            from tidings.pending
            where xact = mine and pending.came is not null
            group by notification_id
            having sum(pending.came) <> 0 or sum(unread) <> 0 or bool_or(name is not null)
        ) as c;
        return;
    end if;

    with changed as materialized (
        select
            notification_id as id,
            substr(min(target), length('user:') + 1) as user_id,
            case
                when sum(came) <> 0 then sum(came)
                else (sum(unread) > 0 or coalesce(bool_or(name = 'notification'), false))::int
            end as came,
            sum(unread)::bigint as change,
            min(kind) as kind, min(post_id) as post_id, coalesce(min(comment_id), 0) as comment_id
        from tidings.pending
        where xact = mine and came is not null and notification_id is not null
        group by notification_id
        having sum(came) <> 0 or sum(unread) <> 0 or bool_or(name is not null)
        union all
        select
            null, substr(target, length('user:') + 1), came, sum(unread)::bigint, kind, post_id, coalesce(comment_id, 0)
        from tidings.pending
        where xact = mine and came is not null and notification_id is null
        group by target, came, kind, post_id, coalesce(comment_id, 0)
    ),
    placed as (
        select
            *,
            sum(change) over target as change_of_all,
            bool_and(came = 0) over target as only_read,
            row_number() over (target order by id nulls first) as place,
            row_number() over (partition by kind, user_id, post_id, comment_id, id is null order by id) as nth
        from changed
        window target as (partition by kind, user_id, post_id, comment_id)
    ),
    -- What is left of the likes of a target, read once for each.
    seen as (
        select
            p.*,
            max(l.newest) over target as newest,
            bool_or(l.is_unread) over target as is_unread,
            coalesce(l.unread, case when p.kind is null then p.change else 0 end) as unread
        from placed as p
        left join lateral (
            select
                greatest(
                    max(n.id),
                    (
                        select max(n.id)
                        from tidings.notifications as n
                        where n.user_id = p.user_id and n.post_id = p.post_id and coalesce(n.comment_id, 0) = p.comment_id
                            and n.kind = 'like' and (n.read_at is null)::integer = 0
                    )
                ) as newest,
                count(*) > 0 as is_unread,
                case when p.change_of_all = 0 then 0 else (count(*) > 0)::int - (count(*) > p.change_of_all)::int end as unread
            from (
                select n.id
                from tidings.notifications as n
                where n.user_id = p.user_id and n.post_id = p.post_id and coalesce(n.comment_id, 0) = p.comment_id
                    and n.kind = 'like' and (n.read_at is null)::integer = 1
                order by n.id desc
                limit greatest(p.change_of_all, 0) + 1
            ) as n
            where p.kind = 'like' and p.place = 1
            having p.kind = 'like' and p.place = 1
        ) as l on true
        window target as (partition by p.kind, p.user_id, p.post_id, p.comment_id)
    )
    select
        array_agg(case when id is not null then coalesce(newest, id) end),
        array_agg(user_id),
        array_agg(case when id is null or kind is null or newest is null then came else (is_unread or not only_read)::int end),
        array_agg(unread)
    into told, told_users, told_came, told_unread
    from seen
    where id is null or newest is null or nth = 1;
end
$$;
