-- Returns what the log stores of a comment: its ids, counts and time. The view
-- tidings.log adds the text, the author and the version when the log is read. c is a row of `comments`,
-- likes and replies its counts (null is 0).
create or replace function tidings.comment_data(c tidings.comments, likes bigint, replies bigint) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', c.id::text,
        'postId', c.post_id,
        'parentId', c.parent_id::text,
        'likeCount', coalesce(likes, 0),
        'replyCount', coalesce(replies, 0),
        'createdAt', tidings.rfc3339(c.created_at))
$$;
