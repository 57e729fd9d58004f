create or replace function tidings.user_data(id text, name text, avatar_url text) returns jsonb
language sql stable
as $$
    select jsonb_build_object('id', id, 'name', coalesce(name, id), 'avatarUrl', avatar_url)
$$;
