-- Brings the notifications about likes up to date, after an UPDATE that has changed the author of
-- posts or visible comments. The arrays have the same length: post, comment and former author of
-- each. comment is null for a post. The former author may be null.
--   The notifications of the former author are withdrawn.
--   Those that were withdrawn from the author as it is now are restored, for likes that still
--   exist. The author is not notified of other likes from before.
-- The rows that it writes to `pending` tell settle_likes to look again under the turn.
create or replace function tidings.reassign_likes(post_ids text[], comment_ids bigint[], former text[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    if post_ids is null then
        return;
    end if;
    perform tidings.withdraw_notifications(array_agg(n.id))
    from unnest(post_ids, comment_ids, former) as t (post_id, comment_id, user_id)
    cross join lateral (
        select id
        from tidings.notifications
        where notifications.user_id = t.user_id and notifications.post_id = t.post_id
            and coalesce(notifications.comment_id, 0) = coalesce(t.comment_id, 0)
            and notifications.kind = 'like'
        offset 0
    ) as n;

    perform tidings.restore_notifications(array_agg(w.id))
    from unnest(post_ids, comment_ids) as t (post_id, comment_id)
    cross join lateral (
        select author_id
        from tidings.comments
        where comments.id = t.comment_id and comments.status = 'published'
        union all
        select author_id
        from tidings.posts
        where t.comment_id is null and posts.id = t.post_id
        offset 0
    ) as author
    cross join lateral (
        select id, user_id, actor_id
        from tidings.withdrawn
        where withdrawn.comment_id = t.comment_id and withdrawn.kind = 'like' and not withdrawn.dismissed
        union all
        select id, user_id, actor_id
        from tidings.withdrawn
        where t.comment_id is null and withdrawn.post_id = t.post_id and withdrawn.comment_id is null
            and withdrawn.kind = 'like' and not withdrawn.dismissed
        offset 0
    ) as w
    where w.user_id = author.author_id
        and exists (
            select from tidings.likes as l
            where l.post_id = t.post_id and l.comment_id = t.comment_id and l.user_id = w.actor_id
            union all
            select from tidings.likes as l
            where t.comment_id is null and l.post_id = t.post_id and l.comment_id is null and l.user_id = w.actor_id
            offset 0
        );

    insert into tidings.pending (kind, actor_id, post_id, comment_id)
    select 'like', t.user_id, t.post_id, t.comment_id
    from unnest(post_ids, comment_ids, former) as t (post_id, comment_id, user_id)
    where t.user_id is not null;
end
$$;
