create or replace function tidings.likes_inserted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    strangers boolean; -- whether a post or a user is not noted yet
    authors   boolean; -- whether there may be somebody to notify
begin
    select
        bool_or(p.id is null or u.id is null),
        bool_or(p.author_id is not null or l.comment_id is not null)
    into strangers, authors
    from added as l
    left join lateral (select id, author_id from tidings.posts where posts.id = l.post_id offset 0) as p on true
    left join lateral (select id from tidings.users where users.id = l.user_id offset 0) as u on true;

    if strangers then
        perform tidings.note_posts_and_users(array_agg(post_id), array_agg(user_id))
        from added;
    end if;

    if authors or strangers then -- a post that was just noted may have got an author
        insert into tidings.pending (target, likes, recipient, kind, actor_id, post_id, comment_id)
        select
            coalesce('comment:' || l.comment_id, 'post:' || l.post_id), 1,
            nullif(case when l.comment_id is null then p.author_id else c.author_id end, l.user_id), 'like',
            l.user_id, l.post_id, l.comment_id
        from added as l
        left join lateral (select author_id from tidings.posts where posts.id = l.post_id offset 0) as p on true
        left join lateral (select author_id from tidings.comments where comments.id = l.comment_id offset 0) as c on true;
    else
        insert into tidings.pending (target, likes, post_id)
        select 'post:' || post_id, count(*), post_id
        from added
        group by post_id;
    end if;
    return null;
end
$$;

create or replace trigger inserted after insert on tidings.likes
    referencing new table as added
    for each statement execute function tidings.likes_inserted();
