-- Withdraws notifications of likes that two transactions have left wrong, because neither saw the
-- other: a comment was hidden while it was liked, or a like was removed while its comment was
-- published. Either transaction may be the one that commits last. mine is that transaction.
--
-- flush calls it under the turn, so it sees all that was numbered before. It must wait for
-- nothing: rows of the own transaction are locked already, and rows that another one has locked
-- are left to that one, whose flush looks at them again. Triggers of the site on notifications
-- run under the turn for these rows, too.
create or replace function tidings.settle_likes(mine xid8) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    -- To look is cheaper than to begin a statement that has nothing to do.
    if not exists (
        select from tidings.pending
        where xact = mine and comment_id is not null
            and (kind = 'like' and came >= 0 or name = 'comment-deleted' or name = 'liked' and likes < 0)
    ) then
        return;
    end if;
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
end
$$;
