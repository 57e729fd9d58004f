create or replace function tidings.history(out timeline text, out system_identifier bigint, out events_oid oid)
language plpgsql stable -- in SQL it would be planned anew by each call
as $$
begin
    timeline := left(pg_walfile_name(pg_current_wal_insert_lsn()), 8);
    system_identifier := (pg_control_system()).system_identifier;
    events_oid := 'tidings.events'::regclass;
end
$$;
