-- Defers the foreign key to `posts` until COMMIT, also for a session that has set all
-- constraints immediate. A statement trigger creates unknown posts after the rows, so
-- an immediate check would fail.
--
-- A statement trigger before INSERT on `comments` and `likes`.
create or replace function tidings.defer_post() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    if tg_table_name = 'comments' then
        set constraints tidings.comments_post_id_fkey deferred;
    else
        set constraints tidings.likes_post_id_fkey deferred;
    end if;
    return null;
end
$$;

create or replace trigger defer_post before insert on tidings.comments
    for each statement execute function tidings.defer_post();
create or replace trigger defer_post before insert on tidings.likes
    for each statement execute function tidings.defer_post();
