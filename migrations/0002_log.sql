-- The log: every event of a committed transaction, numbered in commit order.
--
-- A transaction gathers what happened in `pending` and notes itself once in
-- `commits`. The deferred trigger `flush` on that note runs at COMMIT, takes the
-- turn, and moves the transaction's rows into `events` with positions. The turn is
-- held until the commit is visible, so `position > cursor` can never skip a row.

create sequence tidings.positions;

-- The last transaction to have flushed, and a hash of the history that its number
-- belongs to: a dump carries both into databases where the number means nothing.
-- Sequences, because they must be readable past a REPEATABLE READ snapshot;
-- unlogged, because no snapshot outlives a crash.
create unlogged sequence tidings.last_flush;
create unlogged sequence tidings.last_history minvalue 0;

create table tidings.epochs (
    epoch              bigint primary key,
    started_after      bigint not null, -- the last position of the history before it
    timeline           text not null,
    system_identifier  bigint not null,
    events_oid         oid not null,
    created_at         timestamptz not null default clock_timestamp()
);
comment on table tidings.epochs is 'One row a history: a new one begins after a promotion or a restore.';

-- Positions at or before the floor are gone. One row.
create table tidings.floor (
    position  bigint not null,
    one       boolean primary key default true check (one)
);
insert into tidings.floor values (0);

-- Locked, never written: the right to number events. A table and not an advisory
-- key, which any role could take.
create table tidings.turn ();

create unlogged table tidings.pending (
    xact        xid8 not null default pg_current_xact_id(),
    n           bigint generated always as identity,
    -- An event,
    topic       text constraint pending_topic_grammar
        check (topic ~ '^[a-z][a-z0-9-]{0,31}:[A-Za-z0-9._~:/|@+=,-]{1,200}$'),
    name        text constraint pending_name_grammar
        check (name ~ '^[a-z0-9.-]{1,64}$'),
    data        jsonb,
    -- a change of a counter,
    target      text,
    comments    bigint not null default 0,
    likes       bigint not null default 0,
    unread      bigint not null default 0,
    -- somebody to notify; each may be absent.
    recipient   text,
    kind        text,
    actor_id    text,
    post_id     text,
    comment_id  bigint,
    primary key (xact, n)
);

create unlogged table tidings.commits (
    xact       xid8 primary key,
    firing     integer not null default 0, -- how often flush has put itself off
    at_commit  boolean not null default false, -- whether COMMIT itself fired it last
    calm       boolean -- written for the sake of its command's number alone
);

-- Times and users as the API writes them.
create function tidings.rfc3339(t timestamptz) returns text
language sql stable
as $$
    select to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

create function tidings.user_data(id text, name text, avatar_url text) returns jsonb
language sql stable
as $$
    select jsonb_build_object('id', id, 'name', coalesce(name, id), 'avatarUrl', avatar_url)
$$;

-- Notes the transaction once, however many statements and rows it has: a flush that
-- fired for each row was quadratic (16,000 rows took 30 s).
create function tidings.mark() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    insert into tidings.commits (xact)
    select pg_current_xact_id()
    where exists (select from added) -- a statement may add no row
    on conflict do nothing;
    return null;
end
$$;

-- The last position, also when retention has removed every row.
create function tidings.head() returns bigint
language sql stable
as $$
    select greatest(
        (select max(position) from tidings.events),
        (select position from tidings.floor)
    )
$$;

-- What tells one history from another: promotion and point-in-time recovery begin a
-- new timeline, restoring a dump makes a new table, and since a fresh cluster hands
-- out the same OIDs in the same order, the cluster counts too.
create function tidings.history(out timeline text, out system_identifier bigint, out events_oid oid)
language plpgsql stable -- in SQL it would be planned anew by each call
as $$
begin
    timeline := left(pg_walfile_name(pg_current_wal_insert_lsn()), 8);
    system_identifier := (pg_control_system()).system_identifier;
    events_oid := 'tidings.events'::regclass;
end
$$;

-- Notes that a new history begins here. The caller holds the turn.
--
-- Numbers grow by the clock: two histories that both come after epoch 1 (an old
-- backup restored after a promotion) must not be taken for each other.
create function tidings.note_epoch() returns void
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
declare
    here record := tidings.history();
begin
    insert into tidings.epochs (epoch, started_after, timeline, system_identifier, events_oid)
    select
        case when max(epoch) is null then 1
             else greatest(max(epoch) + 1, extract(epoch from clock_timestamp())::bigint) end,
        tidings.head(), here.timeline, here.system_identifier, here.events_oid
    from tidings.epochs;
end
$$;

-- Begins a new epoch, for a restore that Postgres cannot see (a copied data
-- directory, a file-system snapshot, a database made from a template). Cursors past
-- the current head become gaps.
create function tidings.new_epoch() returns bigint
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    lock table tidings.turn in exclusive mode;
    perform tidings.note_epoch();
    perform pg_notify('tidings_log', '');
    return (select max(epoch) from tidings.epochs);
end
$$;

-- Numbers the transaction's events. It waits for nothing but its turn: what it
-- writes has no foreign keys and no other writer.
--
-- Its plans, and those of the statement triggers, are made once a session and kept
-- (planning took twice as long as running), so they must be right for any size:
-- index scans even where a table was empty when the plan was made, or where a long
-- transaction keeps vacuum from `pending`, and a lookup a row (lateral, offset 0)
-- where a join might read a table whole because it was small then. jit would compile
-- each of them for the price that is put on a sequential scan (40 ms a commit).
create function tidings.flush() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    noted   bigint; -- the command that wrote the note
    this    bigint; -- one that writes now
    here    record;
    history bigint; -- its hash
begin
    -- A note that was replaced has a later firing of its own.
    select cmin::text::bigint into noted
    from tidings.commits
    where xact = new.xact and firing = new.firing;
    if not found then
        return null;
    end if;

    -- Fired within a trigger: not by COMMIT, but because constraints are immediate.
    if pg_trigger_depth() > 1 then
        set constraints tidings.flush deferred;
        update tidings.commits
        set firing = firing + 1, at_commit = false
        where xact = new.xact;
        return null;
    end if;

    -- Work only when COMMIT has fired us twice and nothing was written in between: then
    -- nothing else is queued any more, and no lock that an app's own constraint waits
    -- for is waited for under the turn. But don't wait for ever for one that in the same
    -- manner waits for us.
    if new.at_commit then
        update tidings.commits
        set calm = true
        where xact = new.xact
        returning cmin::text::bigint into this;
    end if;
    if this is distinct from noted + 1 and new.firing < 1000 then
        -- To the end of the queue. If SET CONSTRAINTS has fired us, and not COMMIT, then
        -- this update fires us too, at once, and there the note becomes an early one.
        update tidings.commits
        set firing = firing + 1, at_commit = true
        where xact = new.xact;
        return null;
    end if;

    -- Its query would run after us, as long as it likes, under the turn.
    if exists (
        select from pg_cursors
        where is_holdable and creation_time >= transaction_timestamp()
    ) then
        raise exception 'a transaction that has events cannot commit with an open cursor WITH HOLD'
            using errcode = 'feature_not_supported',
                  hint = 'Close it before COMMIT, or declare it in a transaction of its own.';
    end if;

    -- A commit that is lost in a crash would hand its positions out a second time.
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'on', true);
    end if;

    here := tidings.history();
    history := hashtextextended(here::text, 0) & 9223372036854775807;
    lock table tidings.turn in exclusive mode;

    -- An older snapshot would count from stale counters.
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable')
        and (select last_value from tidings.last_history) = history
        and (select last_value from tidings.last_flush) <> pg_current_xact_id()::text::bigint
        and not pg_visible_in_snapshot((select last_value from tidings.last_flush)::text::xid8, pg_current_snapshot())
    then
        raise exception 'could not number events: another transaction committed events since this one''s snapshot'
            using errcode = 'serialization_failure',
                  hint = 'Retry the transaction, or write in READ COMMITTED.';
    end if;
    perform setval('tidings.last_history', history),
            setval('tidings.last_flush', pg_current_xact_id()::text::bigint);

    if here is distinct from (
        select (timeline, system_identifier, events_oid)
        from tidings.epochs
        order by epoch desc
        limit 1
    ) then
        perform tidings.note_epoch();
    end if;
    delete from tidings.commits where xact = new.xact;
    perform tidings.number(new.xact);
    perform pg_notify('tidings_log', '');
    return null;
end
$$;

-- Moves one transaction's pending rows into events, counts and notifications: its
-- own events first, as they happened, then the new counts, then the notifications.
create function tidings.number(mine xid8) returns void
language plpgsql
as $$
begin
    with gathered as (
        delete from tidings.pending
        where xact = mine
        returning *
    ),
    noticed as (
        insert into tidings.notifications (user_id, kind, post_id, comment_id, actor_id)
        select recipient, kind, post_id, comment_id, actor_id
        from gathered
        where recipient is not null
        order by n
        on conflict do nothing -- a like given again
        returning *
    ),
    change as (
        select target, post_id, comments, likes, unread from gathered where target is not null
        union all
        select 'user:' || user_id, null, 0, 0, 1 from noticed
    ),
    total as (
        select
            target,
            min(post_id) as post_id,
            sum(comments) as comments,
            sum(likes) as likes,
            sum(unread) as unread
        from change
        group by target
        having sum(comments) <> 0 or sum(likes) <> 0 or sum(unread) <> 0
    ),
    counted as (
        select
            total.target,
            total.post_id,
            coalesce(newest.comments, 0) + total.comments as comments,
            coalesce(newest.likes, 0) + total.likes as likes,
            coalesce(newest.unread, 0) + total.unread as unread,
            total.comments <> 0 as comments_changed,
            total.likes <> 0 as likes_changed
        from total
        left join lateral (
            select *
            from tidings.counts
            where counts.target = total.target
            order by counts.position desc
            limit 1
        ) as newest on true
    ),
    -- What the user reads in this commit counts as read before its notifications.
    -- Not joined with `counted`: neither side has an index.
    news as (
        select
            n.id, n.user_id, n.kind, n.post_id, n.comment_id, n.actor_id, n.created_at,
            sum(n.unread) over (partition by n.user_id order by n.id nulls first) as unread
        from (
            select id, user_id, kind, post_id, comment_id, actor_id, created_at, 1 as unread from noticed
            union all
            select null, substr(target, length('user:') + 1), null, null, null, null, null, unread
            from gathered
            where target like 'user:%'
        ) as n
    ),
    outgoing as (
        select 1 as part, n, topic, name, data
        from gathered
        where topic is not null
        union all
        select 2, 0, target, 'comment-count',
            jsonb_build_object('postId', post_id, 'count', comments)
        from counted
        where comments_changed and target like 'post:%'
        union all
        select 3, 0, 'post:' || post_id, 'like-update',
            jsonb_build_object('postId', post_id, 'count', likes)
            || case when target like 'comment:%'
                    then jsonb_build_object('commentId', substr(target, length('comment:') + 1))
                    else '{}' end
        from counted
        where likes_changed and post_id is not null
        union all
        select 4, news.id, 'user:' || news.user_id, 'notification',
            jsonb_build_object(
                'id', news.id::text,
                'kind', news.kind,
                'postId', news.post_id,
                'actor', tidings.user_data(news.actor_id, actor.name, actor.avatar_url),
                'createdAt', tidings.rfc3339(news.created_at),
                'unread', coalesce(newest.unread, 0) + news.unread)
            || case when news.comment_id is null then '{}'
                    else jsonb_build_object('commentId', news.comment_id::text) end
        from news
        left join lateral (
            select unread
            from tidings.counts
            where counts.target = 'user:' || news.user_id
            order by counts.position desc
            limit 1
        ) as newest on true
        left join lateral (
            select name, avatar_url
            from tidings.users
            where users.id = news.actor_id
            offset 0
        ) as actor on true
        where news.id is not null
    ),
    written as (
        insert into tidings.events (position, topic, name, data)
        select nextval('tidings.positions'), topic, name, data
        from (select * from outgoing order by part, n, topic) as o
        returning position
    )
    insert into tidings.counts (target, position, comments, likes, unread)
    select
        target,
        coalesce((select max(position) from written), nextval('tidings.positions')),
        comments, likes, unread
    from counted;
end
$$;

create trigger mark after insert on tidings.pending
    referencing new table as added
    for each statement execute function tidings.mark();
create constraint trigger flush after insert or update of firing on tidings.commits
    deferrable initially deferred
    for each row execute function tidings.flush();

-- Also in a session with session_replication_role = replica: rows left in pending
-- would belong to nobody.
alter table tidings.pending enable always trigger mark;
alter table tidings.commits enable always trigger flush;

-- Whoever removes events moves the floor with them: a reader whose cursor lies
-- before it is told so, and never skips in silence.
create function tidings.raise_floor() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    update tidings.floor
    set position = gone.position
    from (select max(position) as position from removed) as gone
    where floor.position < gone.position;
    return null;
end
$$;
create trigger raise_floor after delete on tidings.events
    referencing old table as removed
    for each statement execute function tidings.raise_floor();
alter table tidings.events enable always trigger raise_floor;

-- The first epoch: this history begins here.
select tidings.note_epoch();
