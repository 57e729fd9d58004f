-- Returns what a transaction has changed in `notifications`, for each row, and for each user with
-- more changed rows than an event names (told is null then): the user; 1 for a row that is new or
-- restored or has another actor, -1 for one that is gone, else 0; by how much the unread
-- notifications of the user change.
--
-- The likes of one post or comment are one notification, which is unread if one of them is. So
-- of their rows, only the first that is unread now has a change. mine is the transaction. number
-- calls it under the turn, so it sees every change that was numbered before. It counts the unread
-- likes of a target only as far as it must: up to one more than the transaction has added.
create or replace function tidings.change_notifications(
    mine xid8, out told bigint[], out told_users text[], out told_came bigint[], out told_unread bigint[]
)
language plpgsql
as $$
begin
    -- Without likes and without rows that stand for many, which need more steps.
    if not exists (select from tidings.pending where xact = mine and came is not null and (kind = 'like' or notification_id is null)) then
        select array_agg(id), array_agg(user_id), array_agg(came), array_agg(change)
        into told, told_users, told_came, told_unread
        from (
            select
                notification_id as id,
                substr(min(target), length('user:') + 1) as user_id,
                case when sum(pending.came) = 0 and sum(unread) = 0 then 1 else sum(pending.came) end as came,
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
            case when sum(came) = 0 and sum(unread) = 0 then 1 else sum(came) end as came,
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
            sum(change) over (partition by kind, user_id, post_id, comment_id) as change_of_all,
            row_number() over (partition by kind, user_id, post_id, comment_id order by change < 1, came, id nulls first) as place
        from changed
    )
    select array_agg(p.id), array_agg(p.user_id), array_agg(p.came), array_agg(coalesce(l.unread, case when p.kind is null then p.change else 0 end))
    into told, told_users, told_came, told_unread
    from placed as p
    left join lateral (
        select (count(*) > 0)::int - (count(*) > p.change_of_all)::int as unread
        from (
            select
            from tidings.notifications as n
            where n.user_id = p.user_id and n.post_id = p.post_id and coalesce(n.comment_id, 0) = p.comment_id
                and n.kind = 'like' and (n.read_at is null)::integer = 1
            limit greatest(p.change_of_all, 0) + 1
        ) as n
        where p.kind = 'like' and p.place = 1 and p.change_of_all <> 0
        having p.kind = 'like' and p.place = 1 and p.change_of_all <> 0
    ) as l on true;
end
$$;
