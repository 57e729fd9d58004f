-- Returns a comment as the API writes it. c is a row of `comments`, u the row of its author
-- or null, likes and replies its counts (null is 0). The server writes the same JSON for
-- lists, byte for byte: an event can replace an element of a list.
create or replace function tidings.comment_data(c tidings.comments, u tidings.users, likes bigint, replies bigint) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', c.id::text,
        'postId', c.post_id,
        'parentId', c.parent_id::text,
        'author', tidings.user_data(c.author_id, u.name, u.avatar_url),
        'body', c.body,
        'status', c.status,
        'likeCount', coalesce(likes, 0),
        'replyCount', coalesce(replies, 0),
        'createdAt', tidings.rfc3339(c.created_at),
        'editedAt', tidings.rfc3339(c.edited_at),
        'version', c.version)
$$;
