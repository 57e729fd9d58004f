-- Returns a hidden or deleted comment as lists show it while there are visible comments below
-- it: without author, body, time of the last edit, version and pin. Null for a comment without
-- a row. number adds the counts.
create or replace function tidings.tombstone_data(comment bigint) returns jsonb
language sql stable
as $$
    select
        tidings.comment_data(c)
        || '{"author": null, "body": "", "html": "", "status": "deleted", "editedAt": null, "version": 1, "pinnedAt": null}'
    from tidings.comments as c
    where c.id = tombstone_data.comment
$$;
