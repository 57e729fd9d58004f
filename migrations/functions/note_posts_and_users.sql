-- Creates the posts and users among the given ids that have no row yet. Ids may repeat,
-- and either array may be null. A user gets the id as name, or its first 200 characters,
-- which is the longest name.
--
-- Rows are inserted in the order of their ids. So of two transactions that create the same
-- ones, one waits for the other, and they never deadlock. An INSERT is not even started
-- if nothing is missing: opening a table for writing takes longer than writing one row.
create or replace function tidings.note_posts_and_users(post_ids text[], user_ids text[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
declare
    posts_missing boolean;
    users_missing boolean;
begin
    select
        exists (
            select from unnest(post_ids) as named (id)
            where not exists (select from tidings.posts where posts.id = named.id offset 0)
        ),
        exists (
            select from unnest(user_ids) as named (id)
            where not exists (select from tidings.users where users.id = named.id offset 0)
        )
    into posts_missing, users_missing;

    if posts_missing then
        insert into tidings.posts (id)
        select distinct named.id
        from unnest(post_ids) as named (id)
        where not exists (select from tidings.posts where posts.id = named.id offset 0)
        order by named.id
        on conflict do nothing;
    end if;

    if users_missing then
        insert into tidings.users (id, name)
        select distinct named.id, left(named.id, 200)
        from unnest(user_ids) as named (id)
        where not exists (select from tidings.users where users.id = named.id offset 0)
        order by named.id
        on conflict do nothing;
    end if;
end
$$;
