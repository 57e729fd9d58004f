-- Brings the notifications about visible comments up to date, after an UPDATE that has changed their
-- author or mentions; mentioning are the ids of those with other mentions:
--   the actor is the author as it is now, and the author is not notified of the comment;
--   a notification `mention` of a user whom the comment does not mention any more is withdrawn,
--   unless the user is the author of the parent or of the post: these are notified of the comment
--   without a mention, too.
-- It notifies nobody. Users that are mentioned now are notified by mention.
create or replace function tidings.renotify(ids bigint[], mentioning bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    if ids is null then
        return;
    end if;
    perform tidings.withdraw_notifications(array_agg(n.id))
    from unnest(ids) as given (id)
    cross join lateral (select * from tidings.comments where comments.id = given.id offset 0) as c
    left join lateral (select author_id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    left join lateral (select author_id from tidings.comments where comments.id = c.parent_id offset 0) as parent on true
    cross join lateral (
        select *
        from tidings.notifications
        where notifications.post_id = c.post_id and notifications.comment_id = c.id and notifications.kind <> 'like'
        offset 0
    ) as n
    where n.user_id = c.author_id
        or n.kind = 'mention' and c.id = any (mentioning) and not n.user_id = any (c.mentions)
            and n.user_id is distinct from p.author_id and n.user_id is distinct from parent.author_id;

    update tidings.notifications
    set actor_id = (select author_id from tidings.comments where comments.id = notifications.comment_id)
    where id = any (array(
        select n.id
        from unnest(ids) as given (id)
        cross join lateral (select * from tidings.comments where comments.id = given.id offset 0) as c
        cross join lateral (
            select *
            from tidings.notifications
            where notifications.post_id = c.post_id and notifications.comment_id = c.id and notifications.kind <> 'like'
            offset 0
        ) as n
        where n.actor_id <> c.author_id
    ));
end
$$;
