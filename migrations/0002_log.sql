-- The log: every event of a committed transaction, numbered in commit order.
--
-- A transaction gathers what happened in `pending` and notes itself once in
-- `commits`. The deferred trigger `flush` on that note runs at COMMIT, takes the
-- turn, and moves the transaction's rows into `events` with positions. The turn is
-- held until the commit is visible, so `position > cursor` can never skip a row.

create sequence tidings.positions;

-- The last transaction to have flushed. A sequence, because it must be readable
-- past a REPEATABLE READ snapshot; unlogged, because no snapshot outlives a crash.
create unlogged sequence tidings.last_flush;

create table tidings.epochs (
    epoch          bigint primary key,
    started_after  bigint not null, -- the last position of the history before it
    timeline       text not null,
    events_oid     oid not null,
    created_at     timestamptz not null default clock_timestamp()
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
    xact  xid8 primary key,
    at    timestamptz -- when flush sent itself to the end of the queue; null before
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

-- Notes a new epoch when this is no longer the server, or no longer the table, that
-- wrote the last one. Returns whether it did. The caller holds the turn.
--
-- Numbers grow by the clock: two histories that both come after epoch 1 (an old
-- backup restored after a promotion) must not be taken for each other.
create function tidings.note_epoch(forced boolean) returns boolean
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
declare
    newest tidings.epochs;
    here   text := left(pg_walfile_name(pg_current_wal_insert_lsn()), 8);
    log    oid := 'tidings.events'::regclass;
begin
    select * into newest
    from tidings.epochs
    order by epoch desc
    limit 1;
    if not forced and (newest.timeline, newest.events_oid) is not distinct from (here, log) then
        return false;
    end if;
    insert into tidings.epochs (epoch, started_after, timeline, events_oid)
    values (
        case when newest.epoch is null then 1
             else greatest(newest.epoch + 1, extract(epoch from clock_timestamp())::bigint) end,
        tidings.head(), here, log
    );
    return true;
end
$$;

-- Begins a new epoch, for a restore that Postgres cannot see (a copied data
-- directory, a file-system snapshot). Cursors past the current head become gaps.
create function tidings.new_epoch() returns bigint
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
begin
    lock table tidings.turn in exclusive mode;
    perform tidings.note_epoch(true);
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
-- transaction keeps vacuum from `pending`. jit would compile each of them for the
-- price that is put on a sequential scan (40 ms a commit).
create function tidings.flush() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
    renewed boolean;
begin
    -- A note that was replaced has a later firing of its own.
    if not exists (
        select from tidings.commits
        where xact = new.xact and at is not distinct from new.at
    ) then
        return null;
    end if;

    -- Work only on the second firing within one command: that command is the COMMIT
    -- (not SET CONSTRAINTS), and what else was deferred is done, so no lock that an
    -- app's own constraint waits for is waited for under the turn.
    if new.at is distinct from statement_timestamp() then
        set constraints tidings.flush deferred;
        delete from tidings.commits where xact = new.xact;
        insert into tidings.commits (xact, at) values (new.xact, statement_timestamp());
        return null;
    end if;

    -- A commit that is lost in a crash would hand its positions out a second time.
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'on', true);
    end if;

    lock table tidings.turn in exclusive mode;
    renewed := tidings.note_epoch(false);

    -- An older snapshot would count from stale counters. The xid of a restored
    -- database's last flush means nothing here, hence `renewed`.
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable')
        and not renewed
        and not pg_visible_in_snapshot((select last_value from tidings.last_flush)::text::xid8, pg_current_snapshot())
    then
        raise exception 'could not number events: another transaction committed events since this one''s snapshot'
            using errcode = 'serialization_failure',
                  hint = 'Retry the transaction, or write in READ COMMITTED.';
    end if;
    perform setval('tidings.last_flush', pg_current_xact_id()::text::bigint);

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
            coalesce(newest.unread, 0) as unread_before,
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
        where likes_changed
        union all
        select 4, noticed.id, 'user:' || noticed.user_id, 'notification',
            jsonb_build_object(
                'id', noticed.id::text,
                'kind', noticed.kind,
                'postId', noticed.post_id,
                'actor', tidings.user_data(noticed.actor_id, users.name, users.avatar_url),
                'createdAt', tidings.rfc3339(noticed.created_at),
                'unread', counted.unread_before
                    + row_number() over (partition by noticed.user_id order by noticed.id))
            || case when noticed.comment_id is null then '{}'
                    else jsonb_build_object('commentId', noticed.comment_id::text) end
        from noticed
        join counted on counted.target = 'user:' || noticed.user_id
        left join tidings.users on users.id = noticed.actor_id
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
create constraint trigger flush after insert on tidings.commits
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

-- The first epoch: this history begins here.
select tidings.note_epoch(true);
