-- Makes notifications. The five arrays have the same length: user, kind, actor, post and comment
-- of each. comment is null for a like of a post.
--
-- A comment notifies a user once, with the first kind that is asked for, and so does each like of
-- another user. A notification that exists stays as it is. One that was withdrawn is restored: it
-- keeps its id, created_at and read_at, and gets the kind and actor that are asked for. One that SQL
-- has deleted stays away.
--
-- A thread makes at most 120 notifications to a user in a minute. The last one has more = true.
-- The ones above the limit are not made: the user finds the comments in the thread, and the
-- likes in the count of the notifications about likes. A thread is a comment without a parent and all
-- below it, with the likes of these. The comments of a post without a parent, and the likes of the
-- post, are one thread. The limit counts the rows that the statement sees: transactions that are
-- open at the same time do not count each other's rows.
--
-- mark calls it, before the turn. Each step looks up one row after another (LATERAL … OFFSET 0): a
-- plan for one row is kept for the next 20,000.
create or replace function tidings.notify(users text[], kinds text[], actors text[], posts text[], comments bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
declare
    back        bigint[]; -- ids of the rows to restore
    back_kinds  text[];
    back_actors text[];
    away        bigint[]; -- places in the arrays of notifications that SQL has deleted
begin
    select
        array_agg(w.id) filter (where not w.dismissed),
        array_agg(asked.kind) filter (where not w.dismissed),
        array_agg(asked.actor_id) filter (where not w.dismissed),
        array_agg(asked.n) filter (where w.dismissed)
    into back, back_kinds, back_actors, away
    from unnest(users, kinds, actors, posts, comments) with ordinality as asked (user_id, kind, actor_id, post_id, comment_id, n)
    cross join lateral (
        select id, dismissed
        from tidings.withdrawn
        where asked.kind = 'like'
            and withdrawn.user_id = asked.user_id and withdrawn.actor_id = asked.actor_id and withdrawn.post_id = asked.post_id
            and withdrawn.comment_id is not distinct from asked.comment_id and withdrawn.kind = 'like'
        union all
        select id, dismissed
        from tidings.withdrawn
        where asked.kind <> 'like'
            and withdrawn.comment_id = asked.comment_id and withdrawn.user_id = asked.user_id and withdrawn.kind <> 'like'
    ) as w;

    if back is not null then
        insert into tidings.notifications (id, user_id, kind, post_id, comment_id, actor_id, created_at, read_at, thread_id, more)
            overriding system value
        select w.id, w.user_id, asked.kind, w.post_id, w.comment_id, asked.actor_id, w.created_at, w.read_at, w.thread_id, w.more
        from unnest(back, back_kinds, back_actors) as asked (id, kind, actor_id)
        cross join lateral (select * from tidings.withdrawn where withdrawn.id = asked.id offset 0) as w
        order by w.id
        on conflict do nothing;

        -- What the transaction itself has withdrawn and restored is told only if it differs.
        insert into tidings.pending (name, target, notification_id, came)
        select 'notification', 'user:' || w.user_id, w.id, 0
        from unnest(back, back_kinds, back_actors) as asked (id, kind, actor_id)
        cross join lateral (select * from tidings.withdrawn where withdrawn.id = asked.id offset 0) as w
        where w.kind <> asked.kind or w.actor_id <> asked.actor_id;

        delete from tidings.withdrawn
        where id = any (back);
    end if;

    insert into tidings.notifications (user_id, kind, post_id, comment_id, actor_id, thread_id, more)
    select wanted.user_id, wanted.kind, wanted.post_id, wanted.comment_id, wanted.actor_id, wanted.thread_id, recent.number + wanted.number = 120
    from (
        select *, row_number() over (partition by asked.user_id, asked.post_id, c.thread_id order by asked.n) as number
        from unnest(users, kinds, actors, posts, comments) with ordinality as asked (user_id, kind, actor_id, post_id, comment_id, n)
        cross join lateral (
            select coalesce((
                select coalesce(root_id, case asked.kind when 'like' then id end)
                from tidings.comments
                where comments.id = asked.comment_id
            ), 0) as thread_id
        ) as c
        where not case asked.kind
            when 'like' then exists (
                select from tidings.notifications as n
                where n.user_id = asked.user_id and n.actor_id = asked.actor_id and n.post_id = asked.post_id
                    and n.comment_id is not distinct from asked.comment_id and n.kind = 'like'
                offset 0
            )
            else exists (
                select from tidings.notifications as n
                where n.user_id = asked.user_id and n.comment_id = asked.comment_id and n.kind <> 'like'
                offset 0
            )
        end
        and (asked.n = any (away)) is not true
    ) as wanted
    cross join lateral (
        select count(*) as number
        from (
            select
            from tidings.notifications as n
            where n.user_id = wanted.user_id and n.post_id = wanted.post_id and n.thread_id = wanted.thread_id
                and n.created_at > clock_timestamp() - interval '1 minute'
            limit 120
        ) as n
        where wanted.number <= 120
    ) as recent
    where recent.number + wanted.number <= 120
    order by wanted.n
    on conflict do nothing;
end
$$;
