-- Returns the data of the event `comment-deleted`. tombstone is that of the comment as lists
-- show it, or null if they do not show it. number adds the member `thread` under the turn.
create or replace function tidings.deleted_data(id bigint, post_id text, parent_id bigint, root_id bigint, tombstone jsonb) returns jsonb
language sql immutable
as $$
    select jsonb_build_object(
        'id', id::text, 'postId', post_id, 'parentId', parent_id::text, 'rootId', root_id::text,
        'thread', null, 'tombstone', tombstone)
$$;
