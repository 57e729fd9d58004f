-- Writes to `pending` what an INSERT of likes leads to: one like more on the comment or post, the
-- event `liked` for the user, and a notification `like` for the author, unless the author likes
-- their own. Creates unknown posts and users first.
--
-- Likes of posts without an author notify nobody: they are one row of `pending` for each post and
-- 10,000 likes, with the users in data.
--
-- A statement trigger: an INSERT of 100,000 rows is one call.
--
-- Settings: the plans are made once per session and kept, because planning takes twice as
-- long as running. So they must suit tables of any size, also one that was empty when the
-- plan was made: no sequential scans, and one index lookup for each row (LATERAL … OFFSET 0)
-- where a join might read a whole table. JIT would compile each plan (40 ms per commit).
create or replace function tidings.likes_inserted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_variable
declare
    unknown boolean; -- whether a post or a user has no row yet
    authors boolean; -- whether there may be an author to notify
begin
    select
        bool_or(p.id is null or u.id is null),
        bool_or(p.author_id is not null or l.comment_id is not null)
    into unknown, authors
    from added as l
    left join lateral (select id, author_id from tidings.posts where posts.id = l.post_id offset 0) as p on true
    left join lateral (select id from tidings.users where users.id = l.user_id offset 0) as u on true;

    if unknown then
        perform tidings.note_posts_and_users(array_agg(post_id), array_agg(user_id))
        from added;
    end if;

    if authors or unknown then -- a trigger of the site may have given a new post an author
        insert into tidings.pending (name, target, likes, recipient, kind, actor_id, post_id, comment_id)
        select
            'liked', coalesce('comment:' || l.comment_id, 'post:' || l.post_id), 1,
            nullif(case when l.comment_id is null then p.author_id else c.author_id end, l.user_id), 'like',
            l.user_id, l.post_id, l.comment_id
        from added as l
        left join lateral (select author_id from tidings.posts where posts.id = l.post_id offset 0) as p on true
        left join lateral (
            select author_id
            from tidings.comments
            where comments.id = l.comment_id and comments.status = 'published'
            offset 0
        ) as c on true;
    else
        insert into tidings.pending (name, data, target, likes, post_id)
        select 'liked', jsonb_agg(user_id), 'post:' || post_id, count(*), post_id
        from (select post_id, user_id, row_number() over () / 10000 as part from added) as l
        group by post_id, part;
    end if;
    return null;
end
$$;

create or replace trigger inserted after insert on tidings.likes
    referencing new table as added
    for each statement execute function tidings.likes_inserted();
