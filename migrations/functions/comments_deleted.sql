-- Writes to `pending` what a DELETE of comments leads to, for those that were published: see
-- withdraw_comments. Tells moderators of all. A cascade from `posts` fires it too. Comments
-- whose post is gone have no event, because posts_deleted writes one for all of them, and their
-- counters are forgotten: to count down each one would hold the turn for seconds.
--
-- A statement trigger: a DELETE of 100,000 rows is one call.
--
-- Settings: the plans are made once per session and kept, because planning takes twice as
-- long as running. So they must suit tables of any size, also one that was empty when the
-- plan was made: no sequential scans, and one index lookup for each row (LATERAL … OFFSET 0)
-- where a join might read a whole table. JIT would compile each plan (40 ms per commit).
create or replace function tidings.comments_deleted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_variable
begin
    perform tidings.withdraw_comments(array_agg(c.id), array_agg(c.post_id), array_agg(c.parent_id), array_agg(c.root_id))
    from removed as c
    cross join lateral (select id from tidings.posts where posts.id = c.post_id offset 0) as p
    where c.status = 'published';

    perform tidings.forget_counts(array_agg('comment:' || c.id))
    from removed as c
    left join lateral (select id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    where p.id is null;

    insert into tidings.pending (topic, name, data, target, comments, comment_id)
    select
        'site:moderation', 'moderation',
        tidings.moderation_data(c::tidings.comments, c.status, 'deleted'),
        case when c.status = 'pending' then 'moderation' end, -(c.status = 'pending')::integer, c.id
    from removed as c
    cross join lateral (select id from tidings.posts where posts.id = c.post_id offset 0) as p
    where c.status <> 'deleted'
    order by c.id;

    insert into tidings.pending (target, comments)
    select 'moderation', -count(*)
    from removed as c
    left join lateral (select id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    where c.status = 'pending' and p.id is null
    having count(*) > 0;

    delete from tidings.revisions
    where ctid = any (array(
        select r.ctid
        from removed
        cross join lateral (select ctid from tidings.revisions where revisions.comment_id = removed.id offset 0) as r
    ));

    -- Deleted comments never come back. Those that were hidden have rows here, too.
    delete from tidings.withdrawn
    where id = any (array(
        select w.id
        from removed
        cross join lateral (select id from tidings.withdrawn where withdrawn.comment_id = removed.id offset 0) as w
    ));
    return null;
end
$$;

create or replace trigger deleted after delete on tidings.comments
    referencing old table as removed
    for each statement execute function tidings.comments_deleted();
