-- Writes to `pending` for each deleted user that its name is removed. The event is for the
-- servers, which have names in memory: its topic, `tidings`, is none that tidings.publish
-- takes or a reader can ask for.
--
-- Settings: the plan is made once per session and kept. JIT would compile it (40 ms per commit).
create or replace function tidings.users_deleted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
begin
    insert into tidings.pending (topic, name, data)
    select 'tidings', 'user-removed', jsonb_build_object('id', id)
    from removed
    order by id;
    return null;
end
$$;

create or replace trigger deleted after delete on tidings.users
    referencing old table as removed
    for each statement execute function tidings.users_deleted();
