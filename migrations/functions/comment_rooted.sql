-- Sets root_id of a new comment to the comment at the top of its thread, whatever was given:
-- null for a comment without a parent, and also while its parent has no row yet. Then
-- comments_inserted sets it when the parent is inserted.
--
-- A row trigger before INSERT, for replies only. The plan is kept for the session, so it must
-- suit a table of any size.
create or replace function tidings.comment_rooted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
#variable_conflict use_variable
begin
    new.root_id := (
        select case when parent_id is null then id else root_id end
        from tidings.comments
        where id = new.parent_id
    );
    return new;
end
$$;

create or replace trigger rooted before insert on tidings.comments
    for each row when (((new.parent_id is not null) or (new.root_id is not null))) execute function tidings.comment_rooted();
