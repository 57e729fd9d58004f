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
    where not exists (select from tidings.posts where posts.id = named.id)
    order by named.id
    on conflict do nothing;

    insert into tidings.users (id, name)
    select distinct named.id, named.id
    from unnest(user_ids) as named (id)
    where not exists (select from tidings.users where users.id = named.id)
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
        'post:' || c.post_id, 'new-comment', tidings.comment_data(c, u, own.likes, own.comments),
        'post:' || c.post_id, 1,
        nullif(case when c.parent_id is null then p.author_id else parent.author_id end, c.author_id),
        case when c.parent_id is null then 'comment' else 'reply' end,
        c.author_id, c.post_id, c.id
    from unnest(ids) as i (id)
    join tidings.comments c on c.id = i.id
    left join tidings.users u on u.id = c.author_id
    left join tidings.posts p on p.id = c.post_id
    left join tidings.comments parent on parent.id = c.parent_id
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
    join tidings.comments c on c.id = i.id
    left join tidings.posts p on p.id = c.post_id
    left join tidings.comments parent on parent.id = c.parent_id
    where c.parent_id is not null
    order by c.id;
end
$$;

-- A comment that is no longer visible, or no longer there.
create function tidings.withdraw_comments(gone tidings.comments[]) returns void
language plpgsql
as $$
begin
    insert into tidings.pending (topic, name, data, target, comments, post_id)
    select
        'post:' || c.post_id, 'comment-deleted',
        jsonb_build_object('id', c.id::text, 'postId', c.post_id, 'parentId', c.parent_id::text),
        'post:' || c.post_id, -1, c.post_id
    from unnest(gone) as c
    order by c.id;

    insert into tidings.pending (target, comments, post_id)
    select 'comment:' || c.parent_id, -count(*), c.post_id
    from unnest(gone) as c
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
begin
    perform tidings.note_posts_and_users(null, array_agg(author_id))
    from after;
    perform tidings.announce_comments(array_agg(after.id))
    from after
    join before using (id)
    where after.status = 'published' and before.status <> 'published';
    perform tidings.withdraw_comments(array_agg(before::tidings.comments))
    from before
    join after using (id)
    where before.status = 'published' and after.status <> 'published';

    insert into tidings.pending (topic, name, data, post_id)
    select
        'post:' || after.post_id, 'comment-updated',
        tidings.comment_data(after::tidings.comments, u, own.likes, own.comments), after.post_id
    from after
    join before using (id)
    left join tidings.users u on u.id = after.author_id
    left join lateral (
        select comments, likes
        from tidings.counts
        where target = 'comment:' || after.id
        order by position desc
        limit 1
    ) as own on true
    where after.status = 'published' and before.status = 'published' and after.version <> before.version
    order by after.id;
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
    perform tidings.withdraw_comments(array_agg(removed::tidings.comments))
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
    left join tidings.posts p on p.id = l.post_id
    left join tidings.comments c on c.id = l.comment_id;
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
as $$
begin
    if (new.post_id, new.comment_id, new.user_id) is distinct from (old.post_id, old.comment_id, old.user_id) then
        raise exception 'a like keeps its target and user'
            using errcode = 'integrity_constraint_violation', hint = 'Delete it and insert another.';
    end if;
    return new;
end
$$;

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
create trigger no_truncate before truncate on tidings.epochs for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.pending for each statement execute function tidings.refuse_truncate();
create trigger no_truncate before truncate on tidings.commits for each statement execute function tidings.refuse_truncate();
