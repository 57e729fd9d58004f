-- Writes to `pending` what an INSERT of comments leads to, for those with status
-- 'published'. Creates unknown posts and users first, and sets the roots of comments that came
-- before their parents.
--   event: `new-comment` for the readers of the post;
--   counts: one comment more on the post, one reply more on the parent, one more in the thread;
--   notifications: `mention` (functions/mention.sql), `reply` for the author of the parent,
--   `comment` for the author of the post. A user is notified once, with the first of these, and
--   not of an act of the user's own.
-- Of the other comments, the event `moderation` tells the moderators. A comment whose root is
-- not known yet is counted in its thread by comments_updated.
--
-- The rows are read again, because a trigger of the site may have hidden or deleted some of
-- them since. Such comments are counted, as the trigger's own statement has counted them
-- down, but there is no event and no notification.
--
-- A statement trigger: an INSERT of 100,000 rows is one call. Each statement that has
-- nothing to do is left out, because its start is most of what it costs.
--
-- Settings: the plans are made once per session and kept, because planning takes twice as
-- long as running. So they must suit tables of any size, also one that was empty when the
-- plan was made: no sequential scans, and one index lookup for each row (LATERAL … OFFSET 0)
-- where a join might read a whole table. JIT would compile each plan (40 ms per commit).
create or replace function tidings.comments_inserted() returns trigger
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
    replies boolean; -- whether a comment has a parent
    deep    boolean; -- whether a comment replies to a reply
    orphans boolean; -- whether a comment was inserted before its parent
    held    boolean; -- whether a comment is not published
    names   boolean; -- whether a comment mentions a user
    authors boolean; -- whether a post may have an author to notify
begin
    -- A reply without its parent is of the same transaction, which has then written to pending.
    select
        bool_or(p.id is null or u.id is null), bool_or(p.id is null or p.author_id is not null), bool_or(c.parent_id is not null), bool_or(c.root_id <> c.parent_id),
        bool_or(c.parent_id is not null and c.root_id is null or orphan.id is not null), bool_or(c.status <> 'published'),
        bool_or(c.mentions <> '{}')
    into unknown, authors, replies, deep, orphans, held, names
    from added as c
    left join lateral (
        select id
        from tidings.comments
        where exists (select from tidings.pending where xact = pg_current_xact_id())
            and comments.parent_id = c.id and comments.root_id is null
        limit 1
    ) as orphan on true
    left join lateral (select id, author_id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    left join lateral (select id from tidings.users where users.id = c.author_id offset 0) as u on true;

    if unknown then
        perform tidings.note_posts_and_users(array_agg(post_id), array_agg(author_id))
        from added;
    end if;

    if orphans then
        perform tidings.root_orphans(array_agg(id))
        from added;
    end if;

    if names then
        perform tidings.mention(array_agg(id order by id))
        from added;
    end if;

    -- c is the row as it is now, or null if it is no longer published.
    insert into tidings.pending
        (topic, name, data, target, comments, recipient, kind, actor_id, post_id, comment_id)
    select
        'post:' || c.post_id, case when c.id is not null then 'new-comment' end,
        case when c.id is not null then
            tidings.comment_data(c::tidings.comments) || '{"likeCount": 0, "replyCount": 0, "threadCount": 0}'
        end,
        'post:' || added.post_id, 1,
        nullif(case when c.parent_id is null then p.author_id else parent.author_id end, c.author_id),
        case when c.parent_id is null then 'comment' else 'reply' end,
        c.author_id, added.post_id, added.id
    from added
    left join lateral (
        select *
        from tidings.comments
        where comments.id = added.id and comments.status = 'published'
        offset 0
    ) as c on true
    left join lateral (select author_id from tidings.posts where authors and posts.id = c.post_id offset 0) as p on true
    left join lateral (select author_id from tidings.comments where comments.id = c.parent_id offset 0) as parent on true
    where added.status = 'published'
    order by added.id;

    if replies then
        insert into tidings.pending (target, comments, thread, recipient, kind, actor_id, post_id, comment_id)
        select
            'comment:' || added.parent_id, 1, coalesce((added.root_id = added.parent_id)::integer, 0),
            case when p.author_id not in (c.author_id, parent.author_id) then p.author_id end, 'comment',
            c.author_id, added.post_id, added.id
        from added
        left join lateral (
            select *
            from tidings.comments
            where comments.id = added.id and comments.status = 'published'
            offset 0
        ) as c on true
        left join lateral (select author_id from tidings.posts where posts.id = c.post_id offset 0) as p on true
        left join lateral (select author_id from tidings.comments where comments.id = c.parent_id offset 0) as parent on true
        where added.parent_id is not null and added.status = 'published'
        order by added.id;
    end if;

    if deep then
        insert into tidings.pending (target, thread)
        select 'comment:' || root_id, count(*)
        from added
        where root_id <> parent_id and status = 'published'
        group by root_id;
    end if;

    if held then
        insert into tidings.pending (topic, name, data, target, comments, comment_id)
        select
            'site:moderation', 'moderation', tidings.moderation_data(added::tidings.comments, null, added.status),
            case when added.status = 'pending' then 'moderation' end, (added.status = 'pending')::integer, added.id
        from added
        where added.status <> 'published'
        order by added.id;
    end if;
    return null;
end
$$;

create or replace trigger inserted after insert on tidings.comments
    referencing new table as added
    for each statement execute function tidings.comments_inserted();
