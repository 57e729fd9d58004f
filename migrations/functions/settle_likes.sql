-- Withdraws notifications of likes that two transactions have left wrong, because neither saw the
-- other: a comment was hidden while it was liked, a like was removed while its comment was
-- published, or a comment or post got another author while it was liked. Either transaction may be
-- the one that commits last. mine is that transaction.
--
-- flush calls it under the turn, for transactions with likes, with changes of notifications, or with
-- comments that were hidden or shown. So it sees all that was numbered before. It must wait for
-- nothing: rows of the own transaction are locked already, and rows that another one has locked
-- are left to that one, whose flush looks at them again. Triggers of the site on notifications
-- run under the turn for these rows, too.
create or replace function tidings.settle_likes(mine xid8) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    -- To look is cheaper than to begin a statement that has nothing to do.
    if exists (
        select from tidings.pending
        where xact = mine and comment_id is not null
            and (kind = 'like' and came >= 0 or name = 'comment-deleted' or name = 'liked' and likes < 0)
    ) then
        perform tidings.withdraw_notifications(array_agg(wrong.id))
        from (
            select notification_id as id -- came, or was changed
            from tidings.pending
            where xact = mine and comment_id is not null and kind = 'like' and came >= 0 and notification_id is not null
            union
            select n.id -- of a comment that was hidden, and of those that were changed without a name
            from tidings.pending as p
            cross join lateral (
                select id
                from tidings.notifications
                where notifications.post_id = p.post_id and notifications.comment_id = p.comment_id and notifications.kind = 'like'
                offset 0
            ) as n
            where p.xact = mine and p.comment_id is not null
                and (p.name = 'comment-deleted' or p.kind = 'like' and p.came = 0 and p.notification_id is null)
            union
            select n.id -- of a like that was removed
            from tidings.pending as p
            cross join lateral jsonb_array_elements_text(p.data) as users (id)
            cross join lateral (
                select id
                from tidings.notifications
                where notifications.post_id = p.post_id and notifications.comment_id = p.comment_id
                    and notifications.actor_id = users.id and notifications.kind = 'like'
                offset 0
            ) as n
            where p.xact = mine and p.comment_id is not null and p.name = 'liked' and p.likes < 0
        ) as told
        cross join lateral (
            select n.id
            from tidings.notifications as n
            where n.id = told.id
                and not (
                    exists (select from tidings.comments where comments.id = n.comment_id and comments.status = 'published' offset 0)
                    and exists (
                        select from tidings.likes
                        where likes.post_id = n.post_id and likes.comment_id = n.comment_id and likes.user_id = n.actor_id
                        offset 0
                    )
                )
            offset 0
            for update skip locked
        ) as wrong;
    end if;

    if exists (
        select from tidings.pending
        where xact = mine and kind = 'like' and came is null and (name is null or recipient is not null)
    ) then
        -- Of likes for an author that the target no longer has.
        perform tidings.withdraw_notifications(array_agg(wrong.id))
        from (
            select recipient as user_id, actor_id, post_id, comment_id -- liked
            from tidings.pending
            where xact = mine and kind = 'like' and came is null and recipient is not null
            union all
            select actor_id, null, post_id, comment_id -- was taken from its author: see reassign_likes
            from tidings.pending
            where xact = mine and kind = 'like' and came is null and name is null
        ) as t
        left join lateral (
            select author_id
            from tidings.comments
            where comments.id = t.comment_id
            union all
            select author_id
            from tidings.posts
            where t.comment_id is null and posts.id = t.post_id
            offset 0
        ) as author on true
        cross join lateral (
            select id
            from tidings.notifications as n
            where n.user_id = t.user_id and n.actor_id = t.actor_id and n.post_id = t.post_id and n.comment_id = t.comment_id
                and n.kind = 'like'
            union all
            select id
            from tidings.notifications as n
            where t.comment_id is null
                and n.user_id = t.user_id and n.actor_id = t.actor_id and n.post_id = t.post_id and n.comment_id is null
                and n.kind = 'like'
            union all
            select id
            from tidings.notifications as n
            where t.actor_id is null
                and n.user_id = t.user_id and n.post_id = t.post_id and coalesce(n.comment_id, 0) = coalesce(t.comment_id, 0)
                and n.kind = 'like'
            offset 0
        ) as told
        cross join lateral (
            select id
            from tidings.notifications as n
            where n.id = told.id
            offset 0
            for update skip locked
        ) as wrong
        where author.author_id is distinct from t.user_id;
    end if;
end
$$;
