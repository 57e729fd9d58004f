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

create or replace trigger inserted after insert on tidings.comments
    referencing new table as added
    for each statement execute function tidings.comments_inserted();
