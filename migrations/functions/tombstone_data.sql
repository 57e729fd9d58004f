-- Returns a hidden or deleted comment as lists show it while there are visible comments below
-- it: without author, body, time of the last edit and version. Null for a comment without a row.
--
-- The replies are counted, because flush calls it before the counts of the transaction are
-- written.
create or replace function tidings.tombstone_data(comment bigint) returns jsonb
language sql stable
as $$
    select
        tidings.comment_data(
            c,
            (
                select likes
                from tidings.counts
                where target = 'comment:' || c.id
                order by position desc
                limit 1
            ),
            (select count(*) from tidings.comments as reply where reply.parent_id = c.id and reply.status = 'published')
        ) || '{"author": null, "body": "", "html": "", "status": "deleted", "editedAt": null, "version": 1}'
    from tidings.comments as c
    where c.id = comment
$$;
