-- Writes to `pending` the event `post-deleted` for each deleted post. It stands for one event
-- for each comment and like that goes with the post: a million events would hold the turn
-- for half a minute. The counters and ranks of all of them are forgotten: see
-- forget_counts.
--
-- A statement trigger: a DELETE of 100,000 rows is one call.
--
-- Settings: the plans are made once per session and kept, because planning takes longer than
-- running. So they must suit tables of any size: no sequential scans. JIT would compile each plan
-- (40 ms per commit).
create or replace function tidings.posts_deleted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_variable
begin
    insert into tidings.pending (topic, name, data)
    select 'post:' || id, 'post-deleted', jsonb_build_object('postId', id)
    from removed
    order by id;

    perform tidings.forget_counts(array_agg('post:' || id))
    from removed;

    delete from tidings.ranks
    where post_id = any (array(select id from removed));
    return null;
end
$$;

create or replace trigger deleted after delete on tidings.posts
    referencing old table as removed
    for each statement execute function tidings.posts_deleted();
