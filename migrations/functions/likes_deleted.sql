create or replace function tidings.likes_deleted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    insert into tidings.pending (target, likes, post_id)
    select coalesce('comment:' || comment_id, 'post:' || post_id), -count(*), post_id
    from removed
    group by post_id, comment_id;
    return null;
end
$$;

create or replace trigger deleted after delete on tidings.likes
    referencing old table as removed
    for each statement execute function tidings.likes_deleted();
