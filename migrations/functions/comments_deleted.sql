create or replace function tidings.comments_deleted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    perform tidings.withdraw_comments(array_agg(id), array_agg(post_id), array_agg(parent_id))
    from removed
    where status = 'published';
    return null;
end
$$;

create or replace trigger deleted after delete on tidings.comments
    referencing old table as removed
    for each statement execute function tidings.comments_deleted();
