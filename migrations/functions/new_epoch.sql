-- Begins a new epoch and returns its number, after a restore that Postgres cannot see: a
-- copied data directory, a snapshot of a file system. Cursors beyond the current head become
-- gaps. Takes the turn until the end of the transaction, and notifies the servers.
--
-- SECURITY DEFINER: roles with EXECUTE need no rights on the tables.
create or replace function tidings.new_epoch() returns bigint
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    lock table tidings.turn in exclusive mode;
    perform tidings.note_epoch();
    perform pg_notify('tidings_log', '');
    return (select max(epoch) from tidings.epochs);
end
$$;
