-- Writes to `pending` what a statement on notifications leads to, whatever SQL causes it: for
-- each row, by how much the `unread` of its user changes, and whether the row came (1), went
-- (-1) or stayed (0).
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
begin
    if tg_op = 'INSERT' then
        insert into tidings.pending (target, unread, notification_id, came)
        select 'user:' || user_id, (read_at is null)::int, id, 1
        from added
        order by id;
    elsif tg_op = 'DELETE' then
        insert into tidings.pending (target, unread, notification_id, came)
        select 'user:' || user_id, -(read_at is null)::int, id, -1
        from removed
        order by id;
    else
        -- Both versions are grouped, not joined: see comments_updated.
        insert into tidings.pending (target, unread, notification_id, came)
        select 'user:' || user_id, sum(unread), id, 0
        from (
            select id, user_id, -(read_at is null)::int as unread from before
            union all
            select id, user_id, (read_at is null)::int from after
        ) as version
        group by id, user_id
        having sum(unread) <> 0
        order by id;
    end if;
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
