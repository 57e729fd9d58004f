-- Returns a user as the API writes it, {"id", "name", "avatarUrl"}. A user without a name,
-- which is one that has no row in `users`, is named by the id.
create or replace function tidings.user_data(id text, name text, avatar_url text) returns jsonb
language sql stable
as $$
    select jsonb_build_object('id', id, 'name', coalesce(name, id), 'avatarUrl', avatar_url)
$$;
