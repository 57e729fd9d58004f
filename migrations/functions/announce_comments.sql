-- Writes to `pending` what an UPDATE that made comments visible leads to (an approval, for
-- example). The four arrays have the same length: id, post, parent and root of each comment.
--   event: `new-comment` for the readers of the post;
--   counts: one comment more on the post, one reply more on the parent, one more in the thread;
--   notifications: `mention` (functions/mention.sql), `reply` for the author of the parent,
--   `comment` for the author of the post. A user is notified once, with the first of these, and
--   not of an act of the user's own.
--
-- Notifications about likes of the comments are restored for the author, for likes that still exist.
--
-- The rows are read again, because a trigger of the site may have hidden or deleted some of
-- them since. Such comments are counted, as the trigger's own UPDATE has counted them down,
-- but there is no event and no notification.
--
-- comments_updated calls it. comments_inserted has its own text, without the lookup of
-- likes, which a new comment cannot have.
create or replace function tidings.announce_comments(ids bigint[], post_ids text[], parent_ids bigint[], root_ids bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    if ids is null then
        return;
    end if;
    if exists (
        select
        from unnest(ids) as shown (id)
        cross join lateral (select mentions from tidings.comments where comments.id = shown.id offset 0) as c
        where c.mentions <> '{}'
    ) then
        perform tidings.mention(ids);
    end if;

    insert into tidings.pending
        (topic, name, data, target, comments, recipient, kind, actor_id, post_id, comment_id)
    select
        'post:' || c.post_id, case when c.id is not null then 'new-comment' end,
        case when c.id is not null then tidings.comment_data(c::tidings.comments) end,
        'post:' || shown.post_id, 1,
        nullif(case when c.parent_id is null then p.author_id else parent.author_id end, c.author_id),
        case when c.parent_id is null then 'comment' else 'reply' end,
        c.author_id, shown.post_id, shown.id
    from unnest(ids, post_ids) as shown (id, post_id)
    left join lateral (
        select *
        from tidings.comments
        where comments.id = shown.id and comments.status = 'published'
        offset 0
    ) as c on true
    left join lateral (select author_id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    left join lateral (select author_id from tidings.comments where comments.id = c.parent_id offset 0) as parent on true
    order by shown.id;

    insert into tidings.pending (target, comments, thread, recipient, kind, actor_id, post_id, comment_id)
    select
        'comment:' || shown.parent_id, 1, coalesce((shown.root_id = shown.parent_id)::integer, 0),
        case when p.author_id not in (c.author_id, parent.author_id) then p.author_id end, 'comment',
        c.author_id, shown.post_id, shown.id
    from unnest(ids, post_ids, parent_ids, root_ids) as shown (id, post_id, parent_id, root_id)
    left join lateral (
        select *
        from tidings.comments
        where comments.id = shown.id and comments.status = 'published'
        offset 0
    ) as c on true
    left join lateral (select author_id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    left join lateral (select author_id from tidings.comments where comments.id = c.parent_id offset 0) as parent on true
    where shown.parent_id is not null
    order by shown.id;

    insert into tidings.pending (target, thread)
    select 'comment:' || shown.root_id, count(*)
    from unnest(parent_ids, root_ids) as shown (parent_id, root_id)
    where shown.root_id <> shown.parent_id
    group by shown.root_id;

    -- What the comments themselves notify of is restored by mark.
    perform tidings.restore_notifications(array_agg(w.id))
    from unnest(ids) as shown (id)
    cross join lateral (select author_id from tidings.comments where comments.id = shown.id offset 0) as c
    cross join lateral (
        select withdrawn.id, withdrawn.user_id
        from tidings.withdrawn
        where withdrawn.comment_id = shown.id
            and withdrawn.kind = 'like'
            and not withdrawn.dismissed
            and exists (
                select from tidings.likes as l
                where l.post_id = withdrawn.post_id and l.comment_id = withdrawn.comment_id and l.user_id = withdrawn.actor_id
            )
        offset 0
    ) as w
    where w.user_id = c.author_id;
end
$$;
