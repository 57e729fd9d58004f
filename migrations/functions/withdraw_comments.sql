-- Writes to `pending` what the end of visible comments leads to, whether they are hidden or
-- deleted: the event `comment-deleted` for the readers of the post, one comment less on the
-- post, one reply less on the parent, one less in the thread. Withdraws the notifications about the comments.
--
-- The four arrays have the same length: id, post, parent and root of each comment. They are not
-- one array of rows, because the rows of a large DELETE may exceed the 1 GB that a value
-- can have.
create or replace function tidings.withdraw_comments(ids bigint[], post_ids text[], parent_ids bigint[], root_ids bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    insert into tidings.pending (topic, name, data, target, comments, post_id, comment_id)
    select
        'post:' || c.post_id, 'comment-deleted',
        tidings.deleted_data(c.id, c.post_id, c.parent_id, c.root_id, null), -- keep_tombstones sets the tombstone
        'post:' || c.post_id, -1, c.post_id, c.id
    from unnest(ids, post_ids, parent_ids, root_ids) as c (id, post_id, parent_id, root_id)
    order by c.id desc; -- replies first

    insert into tidings.pending (target, comments, post_id)
    select 'comment:' || c.parent_id, -count(*), c.post_id
    from unnest(post_ids, parent_ids) as c (post_id, parent_id)
    where c.parent_id is not null
    group by c.parent_id, c.post_id;

    insert into tidings.pending (target, thread)
    select 'comment:' || r.root_id, -count(*)
    from unnest(root_ids) as r (root_id)
    where r.root_id is not null
    group by r.root_id;

    perform tidings.withdraw_notifications(array_agg(n.id))
    from unnest(ids, post_ids) as c (id, post_id)
    cross join lateral (
        select notifications.id
        from tidings.notifications
        where notifications.post_id = c.post_id and notifications.comment_id = c.id
        offset 0
    ) as n;
end
$$;
