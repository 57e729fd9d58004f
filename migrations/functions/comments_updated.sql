-- Writes to `pending` what an UPDATE of comments leads to, for each comment by its status
-- before and after:
--   published before and after: the event `comment-updated`, if the version changed;
--   published only after: what announce_comments does, and `liked` for each of its likes;
--   published only before: what withdraw_comments does.
-- A comment that a trigger of the site has hidden since has no event `comment-updated`.
--   another status, or a change of a comment that is not published: the event `moderation`;
--   another time of a comment that is not published: the event `comment-deleted`, if the comment
--   is a tombstone. That is decided under the turn, so the event has no topic yet;
--   a root, of a comment that was inserted before its parent: one comment more in the thread.
--   another author or other mentions of a visible comment: what renotify does, and mention
--   for those with other mentions;
--   another author of a visible comment: what reassign_likes does.
-- Creates unknown users first.
--
-- A statement trigger: an UPDATE of 100,000 rows is one call.
--
-- Settings: the plans are made once per session and kept, because planning takes twice as
-- long as running. So they must suit tables of any size, also one that was empty when the
-- plan was made: no sequential scans, and one index lookup for each row (LATERAL … OFFSET 0)
-- where a join might read a whole table. JIT would compile each plan (40 ms per commit).
create or replace function tidings.comments_updated() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_variable
declare
    edited            bigint[];
    shown             bigint[];
    shown_posts       text[];
    shown_parents     bigint[];
    withdrawn         bigint[];
    withdrawn_posts   text[];
    withdrawn_parents bigint[];
    shown_roots       bigint[];
    withdrawn_roots   bigint[];
    found_roots       bigint[]; -- roots of visible comments that had none
    renamed           bigint[]; -- visible comments with another author or other mentions
    mentioning        bigint[]; -- those with other mentions
    given             bigint[]; -- visible comments with another author
    given_posts       text[];
    given_by          text[]; -- the authors before
    moderated         bigint[];
    moderated_was     text[];
    moderated_becomes text[];
    moved             bigint[];
begin
    perform tidings.note_posts_and_users(null, array_agg(author_id))
    from after;

    -- Both versions are grouped, not joined: for one row, a join is planned as a nested
    -- loop, and that plan would be kept for the next 20,000 rows (15 s).
    with version as (
        select id, post_id, parent_id, root_id, status as was, null as becomes, version as number,
            created_at, author_id, mentions from before
        union all
        select id, post_id, parent_id, root_id, null, status, version,
            created_at, author_id, mentions from after
    ),
    change as (
        select
            id, post_id, parent_id,
            min(was) = 'published' as was_shown,
            min(becomes) = 'published' as is_shown,
            min(number) <> max(number) as edited,
            min(was) as was,
            min(becomes) as becomes,
            min(root_id) as root_id,
            count(root_id) = 1 as rooted,
            min(created_at) <> max(created_at) as moved,
            min(author_id) <> max(author_id) as given,
            min(author_id) filter (where was is not null) as given_by,
            min(author_id) <> max(author_id) or min(mentions) <> max(mentions) as renamed,
            min(mentions) <> max(mentions) as mentioning
        from version
        group by id, post_id, parent_id
    )
    select
        array_agg(id) filter (where was_shown and is_shown and change.edited),
        array_agg(id) filter (where is_shown and not was_shown),
        array_agg(post_id) filter (where is_shown and not was_shown),
        array_agg(parent_id) filter (where is_shown and not was_shown),
        array_agg(id) filter (where was_shown and not is_shown),
        array_agg(post_id) filter (where was_shown and not is_shown),
        array_agg(parent_id) filter (where was_shown and not is_shown),
        array_agg(root_id) filter (where is_shown and not was_shown),
        array_agg(root_id) filter (where was_shown and not is_shown),
        array_agg(root_id) filter (where is_shown and was_shown and rooted),
        array_agg(id) filter (where is_shown and was_shown and change.renamed),
        array_agg(id) filter (where is_shown and was_shown and change.mentioning),
        array_agg(id) filter (where is_shown and was_shown and change.given),
        array_agg(post_id) filter (where is_shown and was_shown and change.given),
        array_agg(change.given_by) filter (where is_shown and was_shown and change.given),
        array_agg(id) filter (where was <> becomes or change.edited and not is_shown),
        array_agg(was) filter (where was <> becomes or change.edited and not is_shown),
        array_agg(becomes) filter (where was <> becomes or change.edited and not is_shown),
        array_agg(id) filter (where change.moved and not was_shown and not is_shown)
    into edited, shown, shown_posts, shown_parents, withdrawn, withdrawn_posts, withdrawn_parents,
        shown_roots, withdrawn_roots, found_roots, renamed, mentioning, given, given_posts, given_by, moderated, moderated_was, moderated_becomes, moved
    from change;

    perform tidings.announce_comments(shown, shown_posts, shown_parents, shown_roots);
    perform tidings.withdraw_comments(withdrawn, withdrawn_posts, withdrawn_parents, withdrawn_roots);
    perform tidings.renotify(renamed, mentioning);
    perform tidings.reassign_likes(given_posts, given, given_by);
    if mentioning is not null then
        perform tidings.mention(mentioning);
    end if;

    -- A hidden comment keeps its likes. Lists show again to the users that they like it.
    if shown is not null then
        insert into tidings.pending (name, post_id, comment_id)
        select 'liked', post_id, id
        from unnest(shown, shown_posts) as c (id, post_id);
    end if;

    insert into tidings.pending (topic, name, data, post_id, comment_id)
    select
        'post:' || c.post_id, 'comment-updated',
        tidings.comment_data(c::tidings.comments), c.post_id, c.id
    from unnest(edited) as i (id)
    cross join lateral (
        select *
        from tidings.comments
        where comments.id = i.id and comments.status = 'published'
        offset 0
    ) as c
    order by c.id;

    if moved is not null then
        insert into tidings.pending (name, data, post_id, comment_id)
        select 'comment-deleted', tidings.deleted_data(c.id, c.post_id, c.parent_id, c.root_id, null), c.post_id, c.id
        from unnest(moved) as i (id)
        cross join lateral (select * from tidings.comments where comments.id = i.id offset 0) as c
        order by c.id;
    end if;

    if found_roots is not null then
        insert into tidings.pending (target, thread)
        select 'comment:' || r.root_id, count(*)
        from unnest(found_roots) as r (root_id)
        group by r.root_id;
    end if;

    -- A comment whose row is gone by now is counted, without an event.
    if moderated is not null then
        insert into tidings.pending (topic, name, data, target, comments, comment_id)
        select
            case when c.id is not null then 'site:moderation' end, 'moderation',
            case when c.id is not null then tidings.moderation_data(c::tidings.comments, change.was, change.becomes) end,
            'moderation', (change.becomes = 'pending')::integer - (change.was = 'pending')::integer, change.id
        from unnest(moderated, moderated_was, moderated_becomes) as change (id, was, becomes)
        left join lateral (select * from tidings.comments where comments.id = change.id offset 0) as c on true
        order by change.id;
    end if;
    return null;
end
$$;

create or replace trigger updated after update on tidings.comments
    referencing old table as before new table as after
    for each statement execute function tidings.comments_updated();
