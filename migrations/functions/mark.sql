-- Does what must follow each INSERT into `pending`.
--
-- Notes in `commits`, once, that this transaction has rows in `pending`. That row is what
-- fires `flush` at COMMIT, once for each transaction. A flush for each row of `pending` was
-- quadratic: 16,000 rows took 30 s.
--
-- Inserts the notifications that the rows ask for. That is here and not in flush, because
-- an INSERT may wait for another transaction that inserts the same row, and flush must
-- not wait while it holds the turn. A notification that was withdrawn is restored: it keeps
-- its id, created_at and read_at. One that exists stays as it is.
--
-- A statement trigger on `pending`. ENABLE ALWAYS: it also fires in sessions with
-- session_replication_role = replica, since rows left in `pending` would never be numbered.
create or replace function tidings.mark() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
begin
    insert into tidings.commits (xact)
    select pg_current_xact_id()
    where exists (select from added) -- false if the statement has inserted no row
    on conflict do nothing;

    -- To look is cheaper than to begin a statement that has nothing to do.
    if not exists (select from added where recipient is not null) then
        return null;
    end if;

    perform tidings.restore_notifications(array_agg(w.id))
    from added
    cross join lateral (
        select id
        from tidings.withdrawn
        where withdrawn.user_id = added.recipient
            and withdrawn.actor_id = added.actor_id
            and withdrawn.post_id = added.post_id
            and withdrawn.comment_id is not distinct from added.comment_id
            and (withdrawn.kind = 'like') = (added.kind = 'like')
        offset 0
    ) as w
    where added.recipient is not null;

    insert into tidings.notifications (user_id, kind, post_id, comment_id, actor_id)
    select recipient, kind, post_id, comment_id, actor_id
    from added
    where recipient is not null
    order by n
    on conflict do nothing;
    return null;
end
$$;

create or replace trigger mark after insert on tidings.pending
    referencing new table as added
    for each statement execute function tidings.mark();
alter table tidings.pending enable always trigger mark;
