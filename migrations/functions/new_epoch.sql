create or replace function tidings.new_epoch() returns bigint
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    lock table tidings.turn in exclusive mode;
    perform tidings.note_epoch();
    perform pg_notify('tidings_log', '');
    return (select max(epoch) from tidings.epochs);
end
$$;
