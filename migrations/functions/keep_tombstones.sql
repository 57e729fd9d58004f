-- Brings `tombstones` up to date with the comments that a transaction has shown or hidden,
-- and adds the events that follow from it to `pending`:
--   `comment-deleted` for tombstones that appear, and then also each `new-comment` of the
--   transaction. Their n is negative, so they come before its other events. Parents are first: a
--   reply must find its parent;
--   `comment-deleted` for tombstones that go, and for hidden comments below or above them. They
--   come after the events of the transaction, children first.
-- A hidden comment that stays as a tombstone gets the tombstone in its own event
-- (complete_deletions).
--
-- mine is the transaction. number calls it under the turn, so it sees every change that was
-- numbered before, and two transactions that hide a parent and its last reply at the same time
-- leave no tombstone. It writes to `pending` while the row of `commits` is still there, so the
-- trigger `mark` does not fire flush again.
--
-- It takes the changed comments and those above them that are not published, as far as they may
-- change: a comment above hidden ones stays if it has a published child, and a comment above
-- shown ones stays if it is a tombstone. Of these, the ones with a published child or with a
-- tombstone that is not among them become tombstones, and so do the ones above. Whether an id is
-- among them is looked up in a JSON object, because a join without hashing would compare each
-- with each.
create or replace function tidings.keep_tombstones(mine xid8) returns void
language plpgsql
as $$
#variable_conflict use_variable
declare
    gone_posts     text[];
    concerned      boolean; -- whether a comment was hidden, is a reply, or has a tombstone
    deletions      boolean; -- whether there are events comment-deleted
    -- The changed comments: id, post, parent, root of the thread; 1 if the transaction has shown
    -- it and -1 if it has hidden it; and its row of `pending`.
    ids     bigint[];
    posts   text[];
    parents bigint[];
    roots   bigint[];
    deltas  bigint[];
    ns      bigint[];
    -- These and the comments above them that may change; for the latter, 0 and no row. linked:
    -- whether the comment or its parent may be a tombstone.
    all_ids     bigint[];
    all_posts   text[];
    all_parents bigint[];
    all_roots   bigint[];
    all_deltas  bigint[];
    all_ns      bigint[];
    all_linked  boolean[];
    near        jsonb; -- the parent of each
    becoming    jsonb; -- has the ids of those that are tombstones now
    -- The events of tombstones that appear.
    new_ids   bigint[];
    new_posts text[];
    new_data  jsonb[];
begin
    -- A root that is new has no tombstone and no parent. The commits of such comments, the most
    -- frequent ones, end here.
    select
        array_agg(substr(topic, length('post:') + 1)) filter (where name = 'post-deleted'),
        bool_or(comment_id is not null and target like 'post:%'
            and (comments < 0 or data ->> 'parentId' is not null
                or exists (select from tidings.tombstones as t where t.id = pending.comment_id offset 0))),
        bool_or(name = 'comment-deleted')
    into gone_posts, concerned, deletions
    from tidings.pending
    where xact = mine;

    if gone_posts is not null then
        delete from tidings.tombstones
        where id = any (array(
            select t.id
            from unnest(gone_posts) as gone (id)
            cross join lateral (select id from tidings.tombstones where tombstones.post_id = gone.id offset 0) as t
        ));
    end if;

    if concerned is not true then
        if deletions then
            perform tidings.complete_deletions(mine);
        end if;
        return;
    end if;

    select array_agg(c.id), array_agg(c.post_id), array_agg(c.parent_id), array_agg(c.root_id), array_agg(c.delta), array_agg(c.n)
    into ids, posts, parents, roots, deltas, ns
    from (
        select
            comment_id as id,
            min(post_id) as post_id,
            max((data ->> 'parentId')::bigint) as parent_id,
            max((data ->> 'rootId')::bigint) as root_id,
            sum(comments)::bigint as delta,
            max(n) as n
        from tidings.pending
        where xact = mine and comment_id is not null and comments <> 0 and target like 'post:%'
        group by comment_id
        having sum(comments) <> 0
    ) as c
    where c.delta < 0
        or exists (select from tidings.tombstones as t where t.id = c.id offset 0)
        or c.parent_id is not null
            and not exists (select from tidings.comments as p where p.id = c.parent_id and p.status = 'published' offset 0);

    if ids is null then
        if deletions then
            perform tidings.complete_deletions(mine);
        end if;
        return;
    end if;
    with recursive walk as (
        select id, post_id, parent_id, root_id, delta, n, delta < 0 as hides, false as above
        from unnest(ids, posts, parents, roots, deltas, ns) as given (id, post_id, parent_id, root_id, delta, n)
        union
        select above.id, walk.post_id, above.parent_id, walk.root_id, 0, null, walk.hides, true
        from walk
        cross join lateral (
            select walk.parent_id as id, coalesce(c.parent_id, t.parent_id) as parent_id
            from (values (1)) as one (row)
            left join lateral (select * from tidings.comments where comments.id = walk.parent_id offset 0) as c on true
            left join lateral (select * from tidings.tombstones where tombstones.id = walk.parent_id offset 0) as t on true
            where walk.parent_id is not null and c.status is distinct from 'published'
        ) as above
        where not case
            when walk.hides then exists (
                select from tidings.comments as c where c.parent_id = walk.id and c.post_id = walk.post_id and c.status = 'published' offset 0
            )
            else exists (select from tidings.tombstones as t where t.id = walk.id offset 0)
        end
    )
    select
        array_agg(id), array_agg(post_id), array_agg(parent_id), array_agg(root_id), array_agg(delta), array_agg(n),
        array_agg(above or node.parent_id is not null
            and not exists (select from tidings.comments as c where c.id = node.parent_id and c.status = 'published' offset 0)),
        jsonb_object_agg(id, parent_id)
    into all_ids, all_posts, all_parents, all_roots, all_deltas, all_ns, all_linked, near
    from (
        select
            id, min(post_id) as post_id, min(parent_id) as parent_id,
            case when min(parent_id) is not null then min(root_id) end as root_id, -- a root has none
            sum(delta)::bigint as delta, min(n) as n, bool_or(above) as above
        from walk
        group by id
    ) as node;

    with recursive become as (
        select a.id
        from unnest(all_ids, all_posts) as a (id, post_id)
        where not exists (select from tidings.comments as c where c.id = a.id and c.status = 'published' offset 0)
            and (
                exists (select from tidings.comments as c where c.parent_id = a.id and c.post_id = a.post_id and c.status = 'published' offset 0)
                or exists (select from tidings.tombstones as t where t.parent_id = a.id and not near ? t.id::text offset 0)
            )
        union
        select (near ->> become.id::text)::bigint
        from become
        where near ? (near ->> become.id::text)
            and not exists (
                select from tidings.comments as c
                where c.id = (near ->> become.id::text)::bigint and c.status = 'published'
                offset 0
            )
    )
    select coalesce(jsonb_object_agg(id, null), '{}')
    into becoming
    from become;

    with looked_at as materialized (
        select
            given.*,
            exists (select from tidings.tombstones as t where t.id = given.id offset 0) as was,
            becoming ? given.id::text as becomes
        from unnest(all_ids, all_posts, all_parents, all_roots, all_deltas, all_ns, all_linked)
            as given (id, post_id, parent_id, root_id, delta, n, linked)
    ),
    added as (
        insert into tidings.tombstones (id, post_id, parent_id)
        select id, post_id, parent_id
        from looked_at
        where becomes and not was
    ),
    dropped as (
        delete from tidings.tombstones
        where id = any (array(select id from looked_at where was and not becomes))
    ),
    node as materialized (
        select *, becomes::integer - was::integer as change
        from looked_at
        where delta < 0 or delta = 0 and becomes <> was
    ),
    unnamed as (
        update tidings.pending
        set topic = null
        where ctid = any (array(
            select own.place
            from node
            cross join lateral (
                select ctid as place from tidings.pending where xact = mine and pending.n = node.n offset 0
            ) as own
            where node.delta < 0 and node.change = 0 and node.linked
        ))
    ),
    late as (
        insert into tidings.pending (topic, name, data, post_id, comment_id)
        select
            'post:' || post_id, 'comment-deleted',
            tidings.deleted_data(id, post_id, parent_id, root_id, null), post_id, id
        from node
        where change < 0 or delta < 0 and change = 0 and linked
        order by id desc
    )
    select
        array_agg(id), array_agg(post_id),
        array_agg(tidings.deleted_data(id, post_id, parent_id, root_id, tidings.tombstone_data(id)))
    into new_ids, new_posts, new_data
    from node
    where change > 0 and delta = 0;

    if deletions then
        perform tidings.complete_deletions(mine);
    end if;
    if new_ids is null then
        return;
    end if;
    -- A comment that was shown and hidden in turns keeps its events in their order.
    with own as materialized (
        select comment_id, min(n) as n
        from tidings.pending
        where xact = mine and comment_id is not null and comments <> 0 and target like 'post:%'
        group by comment_id
        having count(*) = 1 and min(comments) > 0
    ),
    unnamed as (
        update tidings.pending
        set topic = null
        where ctid = any (array(
            select row.place
            from own
            cross join lateral (
                select ctid as place from tidings.pending where xact = mine and pending.n = own.n offset 0
            ) as row
        ))
        returning comment_id as id, name, post_id, data
    )
    insert into tidings.pending (n, topic, name, data, post_id, comment_id)
        overriding system value
    select -row_number() over (order by id desc), 'post:' || post_id, name, data, post_id, id
    from (
        select id, 'comment-deleted' as name, post_id, data
        from unnest(new_ids, new_posts, new_data) as new (id, post_id, data)
        union all
        select id, name, post_id, data
        from unnamed
    ) as event;
end
$$;
