-- From rows to events: one statement trigger a table and verb, set-based, so that
-- 100,000 rows in one statement are 100,000 rows and not 100,000 calls. They write
-- to `pending` alone; the log does the rest at COMMIT. The settings on the functions
-- are explained at tidings.flush.

-- A comment as the API returns it.
create function tidings.comment_data(c tidings.comments, u tidings.users, likes bigint, replies bigint) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', c.id::text,
        'postId', c.post_id,
        'parentId', c.parent_id::text,
        'author', tidings.user_data(c.author_id, u.name, u.avatar_url),
        'body', c.body,
        'status', c.status,
        'likeCount', coalesce(likes, 0),
        'replyCount', coalesce(replies, 0),
        'createdAt', tidings.rfc3339(c.created_at),
        'editedAt', tidings.rfc3339(c.edited_at),
        'version', c.version)
$$;

-- Posts and users that nobody has noted yet. In id order, so that two transactions
-- that create the same ones wait for each other and never in a circle.
create function tidings.note_posts_and_users(post_ids text[], user_ids text[]) returns void
language plpgsql
as $$
begin
    insert into tidings.posts (id)
    select distinct named.id
    from unnest(post_ids) as named (id)
    where not exists (select from tidings.posts where posts.id = named.id offset 0)
    order by named.id
    on conflict do nothing;

    insert into tidings.users (id, name)
    select distinct named.id, named.id
    from unnest(user_ids) as named (id)
    where not exists (select from tidings.users where users.id = named.id offset 0)
    order by named.id
    on conflict do nothing;
end
$$;

-- Comments that became visible: a new one, or one that was approved. Tells the
-- post's readers, counts on the post and on the parent, and notifies the post's
-- author and the author replied to, each once and nobody of an act of their own.
create function tidings.announce_comments(ids bigint[]) returns void
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

-- Comments that are no longer visible, or no longer there. Three arrays of one length,
-- because the whole rows of a large DELETE may not fit into one.
create function tidings.withdraw_comments(ids bigint[], post_ids text[], parent_ids bigint[]) returns void
language plpgsql
as $$
begin
    insert into tidings.pending (topic, name, data, target, comments, post_id)
    select
        'post:' || c.post_id, 'comment-deleted',
        jsonb_build_object('id', c.id::text, 'postId', c.post_id, 'parentId', c.parent_id::text),
        'post:' || c.post_id, -1, c.post_id
    from unnest(ids, post_ids, parent_ids) as c (id, post_id, parent_id)
    order by c.id;

    insert into tidings.pending (target, comments, post_id)
    select 'comment:' || c.parent_id, -count(*), c.post_id
    from unnest(post_ids, parent_ids) as c (post_id, parent_id)
    where c.parent_id is not null
    group by c.parent_id, c.post_id;
end
$$;

create function tidings.comments_inserted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    perform tidings.note_posts_and_users(array_agg(post_id), array_agg(author_id))
    from added;
    perform tidings.announce_comments(array_agg(id))
    from added
    where status = 'published';
    return null;
end
$$;

-- What an edit does to the row itself, whoever makes it.
create function tidings.comment_touched() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    if (new.id, new.post_id, new.parent_id) is distinct from (old.id, old.post_id, old.parent_id) then
        raise exception 'a comment keeps its id, post and parent'
            using errcode = 'integrity_constraint_violation', hint = 'Delete it and insert another.';
    end if;
    if new.status = 'deleted' and old.status <> 'deleted' then
        new.body := '';
        new.deleted_at := clock_timestamp();
    elsif new.body <> old.body then
        new.edited_at := clock_timestamp();
    end if;
    if (new.body, new.status, new.author_id) is distinct from (old.body, old.status, old.author_id) then
        new.version := old.version + 1;
    end if;
    return new;
end
$$;

create function tidings.comments_updated() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    edited    bigint[];
    announced bigint[];
    withdrawn bigint[];
    posts     text[];
    parents   bigint[];
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
        array_agg(id) filter (where was_shown and not is_shown),
        array_agg(post_id) filter (where was_shown and not is_shown),
        array_agg(parent_id) filter (where was_shown and not is_shown)
    into edited, announced, withdrawn, posts, parents
    from change;

    perform tidings.announce_comments(announced);
    perform tidings.withdraw_comments(withdrawn, posts, parents);

    insert into tidings.pending (topic, name, data, post_id)
    select
        'post:' || c.post_id, 'comment-updated',
        tidings.comment_data(c::tidings.comments, u::tidings.users, own.likes, own.comments), c.post_id
    from unnest(edited) as i (id)
    cross join lateral (select * from tidings.comments where comments.id = i.id offset 0) as c
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

create function tidings.comments_deleted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    perform tidings.withdraw_comments(array_agg(id), array_agg(post_id), array_agg(parent_id))
    from removed
    where status = 'published';
    return null;
end
$$;

create function tidings.likes_inserted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    perform tidings.note_posts_and_users(array_agg(post_id), array_agg(user_id))
    from added;
    insert into tidings.pending (target, likes, recipient, kind, actor_id, post_id, comment_id)
    select
        coalesce('comment:' || l.comment_id, 'post:' || l.post_id), 1,
        nullif(case when l.comment_id is null then p.author_id else c.author_id end, l.user_id), 'like',
        l.user_id, l.post_id, l.comment_id
    from added l
    left join lateral (select author_id from tidings.posts where posts.id = l.post_id offset 0) as p on true
    left join lateral (select author_id from tidings.comments where comments.id = l.comment_id offset 0) as c on true;
    return null;
end
$$;

create function tidings.likes_deleted() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
begin
    insert into tidings.pending (target, likes, post_id)
    select coalesce('comment:' || comment_id, 'post:' || post_id), -count(*), post_id
    from removed
    group by post_id, comment_id;
    return null;
end
$$;

create function tidings.like_touched() returns trigger
language plpgsql
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    if (new.post_id, new.comment_id, new.user_id) is distinct from (old.post_id, old.comment_id, old.user_id) then
        raise exception 'a like keeps its target and user'
            using errcode = 'integrity_constraint_violation', hint = 'Delete it and insert another.';
    end if;
    return new;
end
$$;

-- The post is created after the rows, so its foreign key must wait, also for a writer
-- that has set all constraints immediate.
create function tidings.defer_post() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    if tg_table_name = 'comments' then
        set constraints tidings.comments_post_id_fkey deferred;
    else
        set constraints tidings.likes_post_id_fkey deferred;
    end if;
    return null;
end
$$;

create trigger defer_post before insert on tidings.comments
    for each statement execute function tidings.defer_post();
create trigger defer_post before insert on tidings.likes
    for each statement execute function tidings.defer_post();
create trigger inserted after insert on tidings.comments
    referencing new table as added
    for each statement execute function tidings.comments_inserted();
create trigger touched before update on tidings.comments
    for each row execute function tidings.comment_touched();
create trigger updated after update on tidings.comments
    referencing old table as before new table as after
    for each statement execute function tidings.comments_updated();
create trigger deleted after delete on tidings.comments
    referencing old table as removed
    for each statement execute function tidings.comments_deleted();
create trigger inserted after insert on tidings.likes
    referencing new table as added
    for each statement execute function tidings.likes_inserted();
create trigger touched before update on tidings.likes
    for each row execute function tidings.like_touched();
create trigger deleted after delete on tidings.likes
    referencing old table as removed
    for each statement execute function tidings.likes_deleted();

-- TRUNCATE has no transition table: it would empty the tables and leave the counts.
create function tidings.refuse_truncate() returns trigger
language plpgsql
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    raise exception 'tidings.% cannot be truncated: its events and counts would be lost', tg_table_name
        using errcode = 'feature_not_supported', hint = format('DELETE FROM tidings.%I instead.', tg_table_name);
end
$$;
create trigger no_truncate before truncate on tidings.users for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.posts for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.comments for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.likes for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.notifications for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.counts for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.events for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.floor for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.epochs for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.pending for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.commits for each statement execute function tidings.refuse_truncate();
