-- Returns what the log stores of a comment: ids and times. number adds the counts under the
-- turn, and the view tidings.log adds the text, the author and the version when the log is read.
create or replace function tidings.comment_data(c tidings.comments) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', c.id::text,
        'postId', c.post_id,
        'parentId', c.parent_id::text,
        'rootId', c.root_id::text,
        'pinnedAt', tidings.rfc3339(c.pinned_at),
        'createdAt', tidings.rfc3339(c.created_at))
$$;
