-- Writes to `pending` what a statement on notifications leads to, whatever SQL causes it: for
-- each row, by how much the unread rows of its user change, and whether the row came (1), went
-- (-1) or stayed (0). The row of a like has its post and comment, too, because number counts the
-- unread likes of one target once. Of an UPDATE, name is 'read' if a row was read at another
-- time, and 'notification' if it is unread again or differs in something else.
--
-- If a statement deletes or marks more than 100 rows of a user, whose event has no ids then, it
-- writes one row for the user, and one for each post or comment whose likes are among them. Likes
-- of a post that is gone need no row of their own: nobody can have added to them.
--
-- Keeps the rows that SQL has deleted, to make no equal ones: see notify. Rows in `withdrawn` are
-- those of withdraw_notifications. Rows about a post that is gone are not kept.
--
-- A statement trigger: a statement of 100,000 rows is one call. The tables `before` and
-- `after` exist for an UPDATE only.
--
-- Settings: the plans are made once per session and kept, because planning takes twice as
-- long as running. So they must suit tables of any size, also one that was empty when the
-- plan was made: no sequential scans. JIT would compile each plan (40 ms per commit).
create or replace function tidings.notifications_changed() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_variable
declare
    many text[]; -- users of more than 100 of the rows
begin
    if tg_op = 'INSERT' then
        insert into tidings.pending (target, unread, notification_id, came, kind, post_id, comment_id)
        select
            'user:' || user_id, (read_at is null)::int, id, 1,
            case kind when 'like' then kind end, case kind when 'like' then post_id end, case kind when 'like' then comment_id end
        from added
        order by id;
        return null;
    end if;

    if tg_op = 'DELETE' then
        select array_agg(user_id)
        into many
        from (select user_id from removed group by user_id having count(*) > 100) as u;

        insert into tidings.pending (target, unread, notification_id, came, kind, post_id, comment_id)
        select
            'user:' || user_id, -(read_at is null)::int, id, -1,
            case kind when 'like' then kind end, case kind when 'like' then post_id end, case kind when 'like' then comment_id end
        from removed
        where (user_id = any (many)) is not true
        order by id;

        if many is not null then
            insert into tidings.pending (target, unread, came, kind, post_id, comment_id)
            select 'user:' || user_id, -sum(unread), -1, kind, post_id, comment_id
            from (
                select
                    n.user_id,
                    case when p.id is null then least(1, n.unread) else n.unread end as unread,
                    case when p.id is not null then n.kind end as kind,
                    case when p.id is not null then n.post_id end as post_id,
                    case when p.id is not null then n.comment_id end as comment_id
                from (
                    select user_id, kind, post_id, comment_id, count(*) filter (where read_at is null) as unread
                    from removed
                    where user_id = any (many) and kind = 'like'
                    group by user_id, kind, post_id, comment_id
                ) as n
                left join lateral (select id from tidings.posts where posts.id = n.post_id offset 0) as p on true
                union all
                select user_id, count(*) filter (where read_at is null), null, null, null
                from removed
                where user_id = any (many) and kind <> 'like'
                group by user_id
            ) as n
            group by user_id, kind, post_id, comment_id;
        end if;

        insert into tidings.withdrawn (id, user_id, kind, post_id, comment_id, actor_id, created_at, dismissed)
        select n.id, n.user_id, n.kind, n.post_id, n.comment_id, n.actor_id, n.created_at, true
        from removed as n
        cross join lateral (select id from tidings.posts where posts.id = n.post_id offset 0) as p
        where not exists (select from tidings.withdrawn as w where w.id = n.id offset 0)
        on conflict do nothing;
        return null;
    end if;

    -- Both versions are grouped, not joined: see comments_updated.
    with changed as (
        select
            id, user_id, sum(unread) as unread,
            case
                when sum(unread) > 0 or min(actor_id) <> max(actor_id) or min(created_at) <> max(created_at) or bool_or(more) <> bool_and(more)
                    then 'notification'
                when count(read_at) = 2 and min(read_at) <> max(read_at) then 'read'
            end as name,
            case kind when 'like' then kind end as kind,
            case kind when 'like' then post_id end as post_id,
            case kind when 'like' then comment_id end as comment_id
        from (
            select id, user_id, kind, post_id, comment_id, actor_id, created_at, read_at, more, -(read_at is null)::int as unread
            from before
            union all
            select id, user_id, kind, post_id, comment_id, actor_id, created_at, read_at, more, (read_at is null)::int
            from after
        ) as version
        group by id, user_id, kind, post_id, comment_id
    ),
    placed as (
        select *, count(*) over (partition by user_id) > 100 as unnamed
        from changed
        where unread <> 0 or name is not null
    )
    insert into tidings.pending (name, target, unread, notification_id, came, kind, post_id, comment_id)
    select name, 'user:' || user_id, unread, id, 0, kind, post_id, comment_id
    from (
        select name, user_id, unread, id, kind, post_id, comment_id
        from placed
        where not unnamed
        union all
        select null, user_id, sum(unread), null, kind, post_id, comment_id
        from placed
        where unnamed
        group by user_id, kind, post_id, comment_id
    ) as n
    order by id;
    return null;
end
$$;

create or replace trigger inserted after insert on tidings.notifications
    referencing new table as added
    for each statement execute function tidings.notifications_changed();
create or replace trigger updated after update on tidings.notifications
    referencing old table as before new table as after
    for each statement execute function tidings.notifications_changed();
create or replace trigger deleted after delete on tidings.notifications
    referencing old table as removed
    for each statement execute function tidings.notifications_changed();
