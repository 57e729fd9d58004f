create or replace function tidings.note_epoch() returns void
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
declare
    here record := tidings.history();
begin
    insert into tidings.epochs (epoch, started_after, timeline, system_identifier, events_oid)
    select
        case when max(epoch) is null then 1
             else greatest(max(epoch) + 1, extract(epoch from clock_timestamp())::bigint) end,
        tidings.head(), here.timeline, here.system_identifier, here.events_oid
    from tidings.epochs;
end
$$;
