-- Adds to the events of a transaction the counts after the transaction:
--   new-comment and comment-updated: likeCount, replyCount and threadCount of the comment;
--   comment-deleted: the same of the tombstone, if there is one;
--   those three, of a reply: rootId, and in thread the replyCount of the parent and the threadCount
--   of the root;
--   moderation: the counts of its comment, and the number of pending comments;
--   post-updated: commentCount and likeCount of the post.
--
-- number calls it under the turn, when the new counts are written and `tombstones` is up to date.
create or replace function tidings.complete_events(mine xid8) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    update tidings.pending
    set data = case
        when name = 'post-updated' then
            data || coalesce((
                select jsonb_build_object('commentCount', c.comments, 'likeCount', c.likes)
                from tidings.counts as c
                where c.target = topic
                order by c.position desc
                limit 1
            ), '{"commentCount": 0, "likeCount": 0}')
        when name = 'moderation' then
            data || jsonb_build_object(
                'comment', (data -> 'comment') || tidings.comment_counts(comment_id),
                'pending', coalesce((
                    select c.comments
                    from tidings.counts as c
                    where c.target = 'moderation'
                    order by c.position desc
                    limit 1
                ), 0))
        else
            data
            || case
                when name <> 'comment-deleted' then tidings.comment_counts(comment_id)
                when data ->> 'tombstone' is null then '{}'
                else jsonb_build_object('tombstone', (data -> 'tombstone') || tidings.comment_counts(comment_id))
            end
            || coalesce((
                select jsonb_build_object(
                    'rootId', root.id,
                    'thread', jsonb_build_object(
                        'parentReplyCount', coalesce((
                            select c.comments
                            from tidings.counts as c
                            where c.target = 'comment:' || (data ->> 'parentId')
                            order by c.position desc
                            limit 1
                        ), 0),
                        'threadCount', coalesce((
                            select c.thread
                            from tidings.counts as c
                            where c.target = 'comment:' || root.id
                            order by c.position desc
                            limit 1
                        ), 0)))
                from (
                    -- A comment that was inserted before its parent had no root then.
                    select coalesce(data ->> 'rootId', tidings.root_of(comment_id)) as id
                    where data ->> 'parentId' is not null
                    offset 0
                ) as root
                where root.id is not null
            ), '{}')
        end
    where xact = mine and topic is not null and (comment_id is not null or name = 'post-updated');
end
$$;
