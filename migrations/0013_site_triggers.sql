-- What a site's own triggers make of a row is what everybody is told.

-- A key answers as its first request was answered, also where a trigger had changed the
-- comment.
alter table tidings.idempotency
    add column body   text, -- null: as it was sent
    add column status text; -- null: published

-- As before (0012), but for rows that a trigger has hidden or deleted meanwhile: that was
-- counted down, so they are counted up, and nothing else is told of them.
create or replace function tidings.comments_inserted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    strangers boolean; -- whether a post or a user is not noted yet
    replies   boolean;
begin
    select bool_or(p.id is null or u.id is null), bool_or(c.parent_id is not null)
    into strangers, replies
    from added as c
    left join lateral (select id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    left join lateral (select id from tidings.users where users.id = c.author_id offset 0) as u on true;

    if strangers then
        perform tidings.note_posts_and_users(array_agg(post_id), array_agg(author_id))
        from added;
    end if;

    -- c is the row as it stands, and null when nobody may see it.
    insert into tidings.pending
        (topic, name, data, target, comments, recipient, kind, actor_id, post_id, comment_id)
    select
        'post:' || c.post_id, case when c.id is not null then 'new-comment' end,
        case when c.id is not null then tidings.comment_data(c::tidings.comments, u::tidings.users, 0, 0) end,
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
    left join lateral (select * from tidings.users where users.id = c.author_id offset 0) as u on true
    left join lateral (select author_id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    left join lateral (select author_id from tidings.comments where comments.id = c.parent_id offset 0) as parent on true
    where added.status = 'published'
    order by added.id;

    if replies then
        insert into tidings.pending (target, comments, recipient, kind, actor_id, post_id, comment_id)
        select
            'comment:' || added.parent_id, 1,
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
    return null;
end
$$;

-- The same for those that an update made visible: told is who may be seen still, counted
-- is everyone.
create function tidings.announce_comments(ids bigint[], post_ids text[], parent_ids bigint[]) returns void
language plpgsql
as $$
begin
    insert into tidings.pending
        (topic, name, data, target, comments, recipient, kind, actor_id, post_id, comment_id)
    select
        'post:' || c.post_id, case when c.id is not null then 'new-comment' end,
        case when c.id is not null then
            tidings.comment_data(c::tidings.comments, u::tidings.users, own.likes, own.comments)
        end,
        'post:' || shown.post_id, 1,
        nullif(case when c.parent_id is null then p.author_id else parent.author_id end, c.author_id),
        case when c.parent_id is null then 'comment' else 'reply' end,
        c.author_id, shown.post_id, shown.id
    from unnest(ids, post_ids) as shown (id, post_id)
    left join lateral (
        select *
        from tidings.comments
        where comments.id = shown.id and comments.status = 'published'
        offset 0
    ) as c on true
    left join lateral (select * from tidings.users where users.id = c.author_id offset 0) as u on true
    left join lateral (select author_id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    left join lateral (select author_id from tidings.comments where comments.id = c.parent_id offset 0) as parent on true
    left join lateral (
        select comments, likes
        from tidings.counts
        where target = 'comment:' || c.id
        order by position desc
        limit 1
    ) as own on true
    order by shown.id;

    insert into tidings.pending (target, comments, recipient, kind, actor_id, post_id, comment_id)
    select
        'comment:' || shown.parent_id, 1,
        case when p.author_id not in (c.author_id, parent.author_id) then p.author_id end, 'comment',
        c.author_id, shown.post_id, shown.id
    from unnest(ids, post_ids, parent_ids) as shown (id, post_id, parent_id)
    left join lateral (
        select *
        from tidings.comments
        where comments.id = shown.id and comments.status = 'published'
        offset 0
    ) as c on true
    left join lateral (select author_id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    left join lateral (select author_id from tidings.comments where comments.id = c.parent_id offset 0) as parent on true
    where shown.parent_id is not null
    order by shown.id;
end
$$;
revoke execute on function tidings.announce_comments(bigint[], text[], bigint[]) from public;
drop function tidings.announce_comments(bigint[]);

create or replace function tidings.comments_updated() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    edited            bigint[];
    shown             bigint[];
    shown_posts       text[];
    shown_parents     bigint[];
    withdrawn         bigint[];
    withdrawn_posts   text[];
    withdrawn_parents bigint[];
begin
    perform tidings.note_posts_and_users(null, array_agg(author_id))
    from after;

    -- Both versions grouped and not joined: a join planned for one row is a nested
    -- loop, and would be kept for the next 20,000 rows (15 s).
    with version as (
        select id, post_id, parent_id, status as was, null as becomes, version as number from before
        union all
        select id, post_id, parent_id, null, status, version from after
    ),
    change as (
        select
            id, post_id, parent_id,
            min(was) = 'published' as was_shown,
            min(becomes) = 'published' as is_shown,
            min(number) <> max(number) as edited
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
        array_agg(parent_id) filter (where was_shown and not is_shown)
    into edited, shown, shown_posts, shown_parents, withdrawn, withdrawn_posts, withdrawn_parents
    from change;

    perform tidings.announce_comments(shown, shown_posts, shown_parents);
    perform tidings.withdraw_comments(withdrawn, withdrawn_posts, withdrawn_parents);

    insert into tidings.pending (topic, name, data, post_id)
    select
        'post:' || c.post_id, 'comment-updated',
        tidings.comment_data(c::tidings.comments, u::tidings.users, own.likes, own.comments), c.post_id
    from unnest(edited) as i (id)
    cross join lateral (
        select *
        from tidings.comments
        where comments.id = i.id and comments.status = 'published'
        offset 0
    ) as c
    left join lateral (select * from tidings.users where users.id = c.author_id offset 0) as u on true
    left join lateral (
        select comments, likes
        from tidings.counts
        where target = 'comment:' || c.id
        order by position desc
        limit 1
    ) as own on true
    order by c.id;
    return null;
end
$$;
