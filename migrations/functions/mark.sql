-- Does what must follow each INSERT into `pending`.
--
-- Notes in `commits`, once, that this transaction has rows in `pending`. That row is what
-- fires `flush` at COMMIT, once for each transaction. A flush for each row of `pending` was
-- quadratic: 16,000 rows took 30 s.
--
-- Makes the notifications that the rows ask for (functions/notify.sql). That is here and not in
-- flush, because an INSERT may wait for another transaction that inserts the same row, and flush
-- must not wait while it holds the turn.
--
-- A statement trigger on `pending`. ENABLE ALWAYS: it also fires in sessions with
-- session_replication_role = replica, since rows left in `pending` would never be numbered.
create or replace function tidings.mark() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
declare
    asking boolean; -- whether a row asks for a notification; null if the statement has inserted no row
begin
    select bool_or(recipient is not null)
    into asking
    from added;

    if asking is not null then
        insert into tidings.commits (xact)
        values (pg_current_xact_id())
        on conflict do nothing;
    end if;

    if asking then
        perform tidings.notify(
            array_agg(recipient order by n), array_agg(kind order by n), array_agg(actor_id order by n),
            array_agg(post_id order by n), array_agg(comment_id order by n))
        from added
        where recipient is not null;
    end if;
    return null;
end
$$;

create or replace trigger mark after insert on tidings.pending
    referencing new table as added
    for each statement execute function tidings.mark();
alter table tidings.pending enable always trigger mark;
