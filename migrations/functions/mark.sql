-- Notes in `commits`, once, that this transaction has rows in `pending`. That row is what
-- fires `flush` at COMMIT, once for each transaction. A flush for each row of `pending` was
-- quadratic: 16,000 rows took 30 s.
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
    return null;
end
$$;

create or replace trigger mark after insert on tidings.pending
    referencing new table as added
    for each statement execute function tidings.mark();
alter table tidings.pending enable always trigger mark;
