-- What a commit costs is mostly the beginning of its statements: opening a table to
-- write to it takes longer than writing one row. So here nothing is begun that has
-- nothing to do.

-- Posts and users that nobody has noted yet. In id order, so that two transactions
-- that create the same ones wait for each other and never in a circle.
create or replace function tidings.note_posts_and_users(post_ids text[], user_ids text[]) returns void
language plpgsql
as $$
declare
    posts_missing boolean;
    users_missing boolean;
begin
    select
        exists (
            select from unnest(post_ids) as named (id)
            where not exists (select from tidings.posts where posts.id = named.id offset 0)
        ),
        exists (
            select from unnest(user_ids) as named (id)
            where not exists (select from tidings.users where users.id = named.id offset 0)
        )
    into posts_missing, users_missing;

    if posts_missing then
        insert into tidings.posts (id)
        select distinct named.id
        from unnest(post_ids) as named (id)
        where not exists (select from tidings.posts where posts.id = named.id offset 0)
        order by named.id
        on conflict do nothing;
    end if;

    if users_missing then
        insert into tidings.users (id, name)
        select distinct named.id, named.id
        from unnest(user_ids) as named (id)
        where not exists (select from tidings.users where users.id = named.id offset 0)
        order by named.id
        on conflict do nothing;
    end if;
end
$$;

-- Comments that became visible: a new one, or one that was approved. Tells the
-- post's readers, counts on the post and on the parent, and notifies the post's
-- author and the author replied to, each once and nobody of an act of their own.
create or replace function tidings.announce_comments(ids bigint[]) returns void
language plpgsql
as $$
begin
    insert into tidings.pending
        (topic, name, data, target, comments, recipient, kind, actor_id, post_id, comment_id)
    select
        'post:' || c.post_id, 'new-comment',
        tidings.comment_data(c::tidings.comments, u::tidings.users, own.likes, own.comments),
        'post:' || c.post_id, 1,
        nullif(case when c.parent_id is null then p.author_id else parent.author_id end, c.author_id),
        case when c.parent_id is null then 'comment' else 'reply' end,
        c.author_id, c.post_id, c.id
    from unnest(ids) as i (id)
    cross join lateral (select * from tidings.comments where comments.id = i.id offset 0) as c
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
    order by c.id;

    if not exists (
        select from unnest(ids) as i (id)
        cross join lateral (select parent_id from tidings.comments where comments.id = i.id offset 0) as c
        where c.parent_id is not null
    ) then
        return;
    end if;
    insert into tidings.pending (target, comments, recipient, kind, actor_id, post_id, comment_id)
    select
        'comment:' || c.parent_id, 1,
        case when p.author_id not in (c.author_id, parent.author_id) then p.author_id end, 'comment',
        c.author_id, c.post_id, c.id
    from unnest(ids) as i (id)
    cross join lateral (select * from tidings.comments where comments.id = i.id offset 0) as c
    left join lateral (select author_id from tidings.posts where posts.id = c.post_id offset 0) as p on true
    left join lateral (select author_id from tidings.comments where comments.id = c.parent_id offset 0) as parent on true
    where c.parent_id is not null
    order by c.id;
end
$$;
