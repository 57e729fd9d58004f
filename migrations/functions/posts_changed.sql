-- Writes to `pending` the event `post-updated` for each post whose title, address, author, lock
-- or time has changed, and for each new post that has one of the first four. Of posts with another
-- author, does what reassign_likes does.
--
-- A statement trigger: an UPDATE of 100,000 rows is one call. A comment on an unknown post
-- fires it, too, but then it starts no statement. The table `before` exists for an UPDATE only.
--
-- Settings: the plans are made once per session and kept, so they must suit tables of any
-- size. JIT would compile each plan (40 ms per commit).
create or replace function tidings.posts_changed() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_variable
begin
    if tg_op = 'INSERT' then
        if exists (select from after where locked or coalesce(title, url, author_id) is not null) then
            insert into tidings.pending (topic, name, data)
            select 'post:' || id, 'post-updated', tidings.post_data(after::tidings.posts)
            from after
            where locked or coalesce(title, url, author_id) is not null
            order by id;
        end if;
        return null;
    end if;
    if not exists (select from after) then
        return null;
    end if;
    -- Both versions are grouped, not joined: see comments_updated.
    insert into tidings.pending (topic, name, data)
    select 'post:' || p.id, 'post-updated', tidings.post_data(p::tidings.posts)
    from (
        select id
        from (
            select id, title, url, author_id, locked, created_at from before
            union
            select id, title, url, author_id, locked, created_at from after
        ) as version
        group by id
        having count(*) > 1
    ) as change
    cross join lateral (select * from tidings.posts where posts.id = change.id offset 0) as p
    order by p.id;

    perform tidings.reassign_likes(array_agg(id), array_agg(null::bigint), array_agg(former))
    from (
        select id, min(author_id) filter (where was) as former
        from (
            select id, author_id, true as was from before
            union all
            select id, author_id, false from after
        ) as version
        group by id
        having min(author_id) filter (where was) is distinct from min(author_id) filter (where not was)
    ) as given;
    return null;
end
$$;

create or replace trigger changed_insert after insert on tidings.posts
    referencing new table as after
    for each statement execute function tidings.posts_changed();
create or replace trigger changed_update after update on tidings.posts
    referencing old table as before new table as after
    for each statement execute function tidings.posts_changed();
