-- Writes to `pending` an event for each user whose name or avatar has changed, or who was
-- deleted. The event is for the servers, which have names in memory: its topic, `tidings`, is
-- none that tidings.publish takes or a reader can ask for. A read of the log adds the user as
-- it is now.
--
-- A statement trigger. Each comment over HTTP fires it, mostly without any row: then it
-- starts no statement.
--
-- Settings: the plan is made once per session and kept. JIT would compile it (40 ms per commit).
create or replace function tidings.users_changed() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
#variable_conflict use_variable
begin
    if not exists (select from before) then
        return null;
    end if;
    if tg_op = 'DELETE' then
        insert into tidings.pending (topic, name, data)
        select 'tidings', 'user-changed', jsonb_build_object('actor', jsonb_build_object('id', id))
        from before
        order by id;
        return null;
    end if;
    -- Both versions are grouped, not joined: see comments_updated.
    insert into tidings.pending (topic, name, data)
    select 'tidings', 'user-changed', jsonb_build_object('actor', jsonb_build_object('id', id))
    from (
        select id, name, avatar_url from before
        union
        select id, name, avatar_url from after
    ) as version
    group by id
    having count(*) > 1
    order by id;
    return null;
end
$$;

create or replace trigger updated after update on tidings.users
    referencing old table as before new table as after
    for each statement execute function tidings.users_changed();
create or replace trigger deleted after delete on tidings.users
    referencing old table as before
    for each statement execute function tidings.users_changed();
