-- Writes to `pending` what a DELETE of likes leads to: one like less on the comment or post, and
-- the event `liked` for the user, in rows with up to 10,000 users in data. Likes whose comment is
-- gone are only counted, and those whose post is gone are not: readers have its `comment-deleted`
-- or `post-deleted`. Withdraws the notifications about the likes: a repeated like restores them.
--
-- A statement trigger: a DELETE of 100,000 rows is one call.
--
-- Settings: the plans are made once per session and kept, because planning takes twice as
-- long as running. So they must suit tables of any size, also one that was empty when the
-- plan was made: no sequential scans, and one index lookup for each row (LATERAL … OFFSET 0)
-- where a join might read a whole table. JIT would compile each plan (40 ms per commit).
create or replace function tidings.likes_deleted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_variable
begin
    insert into tidings.pending (name, data, target, likes, post_id, comment_id)
    select
        'liked', jsonb_agg(l.user_id), coalesce('comment:' || l.comment_id, 'post:' || l.post_id), -count(*),
        l.post_id, l.comment_id
    from (select post_id, comment_id, user_id, row_number() over () / 10000 as part from removed) as l
    left join lateral (select id from tidings.comments where comments.id = l.comment_id offset 0) as c on true
    cross join lateral (select id from tidings.posts where posts.id = l.post_id offset 0) as p
    where l.comment_id is null or c.id is not null
    group by l.post_id, l.comment_id, l.part;

    insert into tidings.pending (target, likes)
    select coalesce('comment:' || l.comment_id, 'post:' || l.post_id), -count(*)
    from removed as l
    cross join lateral (select id from tidings.posts where posts.id = l.post_id offset 0) as p
    left join lateral (select id from tidings.comments where comments.id = l.comment_id offset 0) as c on true
    where l.comment_id is not null and c.id is null
    group by l.post_id, l.comment_id;

    perform tidings.withdraw_notifications(array_agg(n.id))
    from removed as l
    cross join lateral (
        select id
        from tidings.notifications as n
        where n.post_id = l.post_id and n.comment_id = l.comment_id and n.actor_id = l.user_id and n.kind = 'like'
        offset 0
    ) as n
    where l.comment_id is not null;

    perform tidings.withdraw_notifications(array_agg(n.id))
    from removed as l
    cross join lateral (
        select id
        from tidings.notifications as n
        where n.post_id = l.post_id and n.comment_id is null and n.actor_id = l.user_id and n.kind = 'like'
        offset 0
    ) as n
    where l.comment_id is null;
    return null;
end
$$;

create or replace trigger deleted after delete on tidings.likes
    referencing old table as removed
    for each statement execute function tidings.likes_deleted();
