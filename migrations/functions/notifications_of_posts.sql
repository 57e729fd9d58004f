-- Deletes the notifications about posts that a DELETE has removed, of their comments and
-- likes included.
--
-- A statement trigger on `posts`. Settings: see notifications_changed.
create or replace function tidings.notifications_of_posts() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_variable
begin
    delete from tidings.notifications
    where id = any (array(
        select n.id
        from removed
        cross join lateral (select id from tidings.notifications where notifications.post_id = removed.id offset 0) as n
    ));
    -- comments_deleted deletes those about comments.
    delete from tidings.withdrawn
    where id = any (array(
        select w.id
        from removed
        cross join lateral (
            select id
            from tidings.withdrawn
            where withdrawn.post_id = removed.id and withdrawn.comment_id is null
            offset 0
        ) as w
    ));
    return null;
end
$$;

create or replace trigger notifications after delete on tidings.posts
    referencing old table as removed
    for each statement execute function tidings.notifications_of_posts();
