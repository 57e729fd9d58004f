-- Moves the floor to the last of the events that a statement has deleted, in the same
-- transaction. A reader whose cursor lies before the floor is told so: it never misses
-- events without knowing.
--
-- A statement trigger on `events`, ENABLE ALWAYS: it also fires in sessions with
-- session_replication_role = replica.
create or replace function tidings.raise_floor() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    update tidings.floor
    set position = gone.position
    from (select max(position) as position from removed) as gone
    where floor.position < gone.position;
    return null;
end
$$;

create or replace trigger raise_floor after delete on tidings.events
    referencing old table as removed
    for each statement execute function tidings.raise_floor();
alter table tidings.events enable always trigger raise_floor;
