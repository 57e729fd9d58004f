-- Counts everything again, and publishes the counts that were wrong. Does the same with
-- tombstones, and with the ranks of liked comments. Withdraws notifications about likes of
-- comments and posts that have another author. Returns how many rows it has repaired.
--
-- It takes the turn while it counts and until the end of its transaction, so commits with
-- events wait. It must be the first in its transaction to write (SQLSTATE 25001): changes
-- that are in `pending` would be counted twice.
--
-- SECURITY DEFINER: roles with EXECUTE need no rights on the tables.
create or replace function tidings.recount() returns bigint
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
declare
    repaired bigint;
    stones   bigint;
    ranked   bigint;
    others   bigint[]; -- notifications of users that are not the author
begin
    lock table tidings.posts, tidings.comments, tidings.likes in access share mode; -- before the turn: see flush
    lock table tidings.notifications in row exclusive mode;
    lock table tidings.turn in exclusive mode;
    if exists (select from tidings.pending where xact = pg_current_xact_id()) then
        raise exception 'tidings.recount() must come first in its transaction'
            using errcode = 'active_sql_transaction',
                  hint = 'The changes of the transaction so far would be counted twice.';
    end if;
    insert into tidings.pending (target, post_id, comments, likes, unread, thread)
    select
        target,
        case -- null for a comment that no longer exists: it has no readers
            when actual.post_id is not null then actual.post_id
            when target like 'comment:%' then (
                select c.post_id from tidings.comments c where c.id = substr(target, 9)::bigint
            )
            when target like 'post:%' then substr(target, 6)
        end,
        coalesce(actual.comments, 0) - coalesce(noted.comments, 0),
        coalesce(actual.likes, 0) - coalesce(noted.likes, 0),
        coalesce(actual.unread, 0) - coalesce(noted.unread, 0),
        coalesce(actual.thread, 0) - coalesce(noted.thread, 0)
    from (
        select target, min(post_id) as post_id, sum(comments) as comments, sum(likes) as likes, sum(unread) as unread,
            sum(thread) as thread
        from (
            select 'post:' || post_id as target, post_id, 1 as comments, 0 as likes, 0 as unread, 0 as thread
            from tidings.comments where status = 'published'
            union all
            select 'comment:' || parent_id, post_id, 1, 0, 0, 0
            from tidings.comments where status = 'published' and parent_id is not null
            union all
            select 'comment:' || root_id, post_id, 0, 0, 0, 1
            from tidings.comments where status = 'published' and root_id is not null
            union all
            select 'moderation', null, 1, 0, 0, 0
            from tidings.comments where status = 'pending'
            union all
            select coalesce('comment:' || comment_id, 'post:' || post_id), post_id, 0, 1, 0, 0
            from tidings.likes
            union all
            select 'user:' || user_id, null, 0, 0, 1, 0
            from tidings.notifications where read_at is null and kind <> 'like'
            union all
            select 'user:' || user_id, null, 0, 0, 1, 0
            from tidings.notifications where read_at is null and kind = 'like'
            group by user_id, post_id, comment_id
        ) as fact
        group by target
    ) as actual
    full join (
        select distinct on (target) target, comments, likes, unread, thread
        from tidings.counts
        order by target, position desc
    ) as noted using (target)
    where (coalesce(actual.comments, 0), coalesce(actual.likes, 0), coalesce(actual.unread, 0), coalesce(actual.thread, 0))
        is distinct from (coalesce(noted.comments, 0), coalesce(noted.likes, 0), coalesce(noted.unread, 0), coalesce(noted.thread, 0));
    get diagnostics repaired = row_count;

    with recursive above as (
        select distinct parent_id as id
        from tidings.comments
        where status = 'published' and parent_id is not null
        union
        select c.parent_id
        from above
        join tidings.comments as c on c.id = above.id
        where c.parent_id is not null
    ),
    actual as (
        select c.id, c.post_id, c.parent_id
        from above
        join tidings.comments as c on c.id = above.id
        where c.status <> 'published'
    ),
    added as (
        insert into tidings.tombstones (id, post_id, parent_id)
        select id, post_id, parent_id
        from actual
        on conflict do nothing
        returning id, post_id, parent_id
    ),
    dropped as (
        delete from tidings.tombstones
        where not exists (select from actual where actual.id = tombstones.id)
        returning id, post_id, parent_id
    )
    insert into tidings.pending (topic, name, data, post_id, comment_id)
    select 'post:' || post_id, 'comment-deleted', 
        tidings.deleted_data(id, post_id, parent_id, (select root_id from tidings.comments as c where c.id = change.id), tombstone),
        post_id, id
    from (
        select added.*, tidings.tombstone_data(id) as tombstone, id as place
        from added
        union all
        select dropped.*, null, -id
        from dropped
        where not exists (select from tidings.comments as c where c.id = dropped.id and c.status = 'published')
    ) as change
    order by place;
    get diagnostics stones = row_count;

    with actual as materialized (
        select c.id, c.post_id, tidings.rank_of(n.likes) as rank, case when n.likes < 64 then c.id else 0 end as tie
        from (
            select comment_id, count(*) as likes
            from tidings.likes
            where comment_id is not null
            group by comment_id
        ) as n
        join tidings.comments as c on c.id = n.comment_id
        where c.parent_id is null
    ),
    dropped as (
        delete from tidings.ranks
        where not exists (select from actual where actual.id = ranks.id)
        returning id
    ),
    added as (
        insert into tidings.ranks (id, post_id, rank, tie)
        select id, post_id, rank, tie
        from actual
        where not exists (select from tidings.ranks where ranks.id = actual.id and ranks.rank = actual.rank)
        on conflict (id) do update
        set rank = excluded.rank, tie = excluded.tie
        returning id
    )
    select count(*)
    into ranked
    from (select id from dropped union all select id from added) as change;

    -- After the counts, which are those of the notifications before. Rows that another transaction
    -- has locked stay: recount must wait for nothing while it holds the turn.
    select array_agg(id)
    into others
    from (
        select n.id
        from tidings.notifications as n
        left join tidings.comments as c on c.id = n.comment_id
        left join tidings.posts as p on p.id = n.post_id
        where n.kind = 'like' and n.user_id <> case when n.comment_id is null then p.author_id else c.author_id end
        for update of n skip locked
    ) as wrong;
    perform tidings.withdraw_notifications(others);
    return repaired + stones + ranked + coalesce(cardinality(others), 0);
end
$$;
