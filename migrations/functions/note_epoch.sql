-- Notes in `epochs` that a new history begins here. The caller holds the turn.
--
-- Four values identify a history:
--   timeline: promotion and point-in-time recovery begin a new one;
--   events_oid: a restored dump has a new table `events`, and so has a schema that was
--   dropped and created again;
--   database_oid: a database that was made from a template has a copy of `events`;
--   system_identifier: a new cluster hands out the same OIDs in the same order, so the
--   cluster counts too.
--
-- The number is the time in microseconds since 1970, so that no other history has it: an
-- old backup may be restored after a promotion, and a schema may be created again.
create or replace function tidings.note_epoch() returns void
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    insert into tidings.epochs (epoch, started_after, timeline, system_identifier, database_oid, events_oid)
    select
        greatest(max(epoch) + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint),
        tidings.head(),
        left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
        (pg_control_system()).system_identifier,
        (select oid from pg_database where datname = current_database()),
        'tidings.events'::regclass
    from tidings.epochs;
end
$$;
