-- Returns what the log stores of a post: its id and time. number adds the counts under the
-- turn, and the view tidings.log adds the texts, the author and the lock when the log is read.
create or replace function tidings.post_data(p tidings.posts) returns jsonb
language sql stable
as $$
    select jsonb_build_object('id', p.id, 'createdAt', tidings.rfc3339(p.created_at))
$$;
