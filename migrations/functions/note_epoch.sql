-- Notes in `epochs` that a new history begins here. The caller holds the turn.
--
-- Three values identify a history:
--   timeline: promotion and point-in-time recovery begin a new one;
--   events_oid: a restored dump has a new table `events`;
--   system_identifier: a new cluster hands out the same OIDs in the same order, so the
--   cluster counts too.
--
-- The first epoch is 1. Later numbers are seconds since 1970, because two histories may
-- both come after epoch 1 (an old backup is restored after a promotion) and must get
-- different numbers.
create or replace function tidings.note_epoch() returns void
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    insert into tidings.epochs (epoch, started_after, timeline, system_identifier, events_oid)
    select
        case when max(epoch) is null then 1
             else greatest(max(epoch) + 1, extract(epoch from clock_timestamp())::bigint) end,
        tidings.head(),
        left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
        (pg_control_system()).system_identifier,
        'tidings.events'::regclass
    from tidings.epochs;
end
$$;
