create or replace function tidings.mark() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    insert into tidings.commits (xact)
    select pg_current_xact_id()
    where exists (select from added) -- a statement may add no row
    on conflict do nothing;
    return null;
end
$$;

create or replace trigger mark after insert on tidings.pending
    referencing new table as added
    for each statement execute function tidings.mark();
alter table tidings.pending enable always trigger mark;
