-- The log: every event of a committed transaction, numbered in commit order, and what
-- the log derives from it.
--
-- A transaction collects its changes in `pending` and notes itself once in `commits`. The
-- deferred trigger `flush` on `commits` runs at COMMIT, locks `turn`, and moves the rows
-- of the transaction to `events` with the next positions. The lock is held until the
-- commit is visible, so positions become visible in order, and a reader that asks for
-- `position > cursor` never skips a row. functions/flush.sql has the details.

-- Positions of events. A position is never used twice.
create sequence tidings.positions;

-- An event about a comment has the comment's id in comment_id. `data` has no text and no
-- name of a user, unless tidings.publish was called with them: what a user removes is gone
-- from the log, too, without a change of any row. The view `log` adds text and names.
create table tidings.events (
    position    bigint primary key,
    topic       text not null,
    name        text not null,
    data        jsonb not null,
    comment_id  bigint,
    created_at  timestamptz not null default clock_timestamp()
);
create index events_by_topic on tidings.events (topic, position);

-- The events as readers get them: with the text, author and version that a comment has
-- now, and the name that the actor of a notification has now. A comment that is hidden,
-- deleted or gone has status 'deleted', no author and no body. The server reads the same by
-- a statement of its own (selectEvents in store/read_log.go), and a test compares both.
--
-- Texts are read from the JSON of a row and not by column, because Postgres refuses to
-- change the type of a column that a view uses, and a site may change the types of its
-- texts. No function of ours is called, because a role that may read a view must be
-- allowed to execute the functions in it.
create view tidings.log as
select
    e.position, e.topic, e.name,
    case
        when e.name in ('new-comment', 'comment-updated') and e.comment_id is not null then
            e.data || coalesce((
                select jsonb_build_object(
                    'author', jsonb_build_object(
                        'id', c.author_id,
                        'name', coalesce(u.shown -> 'name', to_jsonb(c.author_id)),
                        'avatarUrl', u.shown -> 'avatar_url'),
                    'body', c.shown -> 'body',
                    'status', c.shown -> 'status',
                    'editedAt', to_char((c.shown ->> 'edited_at')::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                    'version', c.shown -> 'version')
                from (
                    select author_id, to_jsonb(comments) as shown
                    from tidings.comments
                    where id = e.comment_id and status = 'published'
                    offset 0
                ) as c
                left join lateral (
                    select to_jsonb(users) as shown
                    from tidings.users
                    where users.id = c.author_id
                    offset 0
                ) as u on true
            ), '{"author": null, "body": "", "status": "deleted", "editedAt": null, "version": 1}')
        when e.data ? 'actor' and (e.name = 'notification' or e.topic = 'tidings') then
            e.data || jsonb_build_object('actor', coalesce((
                select jsonb_build_object(
                    'id', users.id,
                    'name', to_jsonb(users) -> 'name',
                    'avatarUrl', to_jsonb(users) -> 'avatar_url')
                from tidings.users
                where users.id = e.data #>> '{actor,id}'
            ), jsonb_build_object(
                'id', e.data #> '{actor,id}',
                'name', e.data #> '{actor,id}',
                'avatarUrl', null)))
        else e.data
    end as data,
    e.comment_id, e.created_at
from tidings.events as e;

-- Retention has removed the events at or before this position. One row.
create table tidings.floor (
    position  bigint not null,
    one       boolean primary key default true check (one)
);
insert into tidings.floor values (0);

-- Counters. `target` is 'post:…', 'comment:…' (its `comments` are its replies) or
-- 'user:…' (its `unread` notifications).
--
-- The table is append-only and the newest row of a target wins. An updated row of a
-- popular post would keep all its dead versions for as long as any old transaction stays
-- open: commits fell from 3,944 to 355 per second with one idle transaction.
create table tidings.counts (
    target      text not null,
    position    bigint not null,
    comments    bigint not null default 0,
    likes       bigint not null default 0,
    unread      bigint not null default 0,
    primary key (target, position)
);
-- Retention looks up the counters of a range of positions. Rows are appended in that
-- order, so a block range index of a few bytes per hundred pages is enough.
create index counts_by_position on tidings.counts using brin (position) with (autosummarize = on);

-- The hidden and deleted comments that lists show without author and body, because a visible
-- comment is below them, at any depth. Only flush writes here (change_tombstones).
create table tidings.tombstones (
    id         bigint primary key,
    post_id    text not null,
    parent_id  bigint
);
create index tombstones_by_parent on tidings.tombstones (parent_id) where parent_id is not null;
create index tombstones_by_post on tidings.tombstones (post_id);

-- What users are told. A row is for one user, actor and target, so that the likes of two
-- users never wait for each other. SQL may set read_at and delete rows: each change reaches
-- `counts`. Whatever is hidden or deleted withdraws its notifications. The table has no
-- foreign keys: a row would wait for locks on the post and the comment.
create table tidings.notifications (
    id          bigint generated always as identity primary key,
    user_id     text not null,
    kind        text not null,
    post_id     text not null,
    comment_id  bigint,
    actor_id    text not null,
    created_at  timestamptz not null default clock_timestamp()
        constraint notifications_created_at_range check (created_at >= '0001-01-01 00:00Z' and created_at < '10000-01-01 00:00Z'),
    read_at     timestamptz
        constraint notifications_read_at_range check (read_at >= '0001-01-01 00:00Z' and read_at < '10000-01-01 00:00Z')
);
create index notifications_by_user on tidings.notifications (user_id, id);
create index notifications_by_target on tidings.notifications (post_id, comment_id, actor_id);
-- A comment notifies a user once, and so does a like: however often a comment is hidden and
-- published, or a like removed and repeated.
create unique index notifications_once
    on tidings.notifications (user_id, actor_id, post_id, comment_id, (kind = 'like')) nulls not distinct;

-- Notifications that were withdrawn, and are restored with their id and read_at when the
-- comment is published or the like repeated.
create table tidings.withdrawn (
    id          bigint primary key,
    user_id     text not null,
    kind        text not null,
    post_id     text not null,
    comment_id  bigint,
    actor_id    text not null,
    created_at  timestamptz not null,
    read_at     timestamptz
);
create index withdrawn_by_user on tidings.withdrawn (user_id, actor_id, post_id);
create index withdrawn_by_comment on tidings.withdrawn (comment_id) where comment_id is not null;
create index withdrawn_by_post on tidings.withdrawn (post_id) where comment_id is null;

-- What a transaction has changed and `flush` has not numbered yet. A row has up to four
-- parts, each of which may be absent:
--   topic, name, data: an event;
--   target, comments, likes, unread: what to add to a counter;
--   recipient, kind, actor_id, post_id, comment_id: a notification, which mark inserts.
--   post_id is also set for a counter, whose events go to that post;
--   notification_id, came: a row of `notifications` that came (1), went (-1) or was read or
--   unread (0).
--
-- There are no checks: the rows come from the trigger functions and tidings.publish, which
-- have checked them, and a regular expression in a CHECK cost a tenth of a commit.
-- Unlogged: the rows live no longer than their transaction.
create unlogged table tidings.pending (
    xact        xid8 not null default pg_current_xact_id(),
    n           bigint generated always as identity,
    topic       text,
    name        text,
    data        jsonb,
    target      text,
    comments    bigint not null default 0,
    likes       bigint not null default 0,
    unread      bigint not null default 0,
    recipient   text,
    kind        text,
    actor_id    text,
    post_id     text,
    comment_id  bigint,
    notification_id  bigint,
    came        smallint,
    primary key (xact, n)
);

-- One row for each open transaction that has rows in `pending`. It exists for its
-- deferred trigger: a trigger on each row of `pending` was quadratic (16,000 rows took
-- 30 s). Unlogged: a row lives no longer than its transaction.
--   firing: how often flush has postponed itself;
--   at_commit: how often in a row COMMIT, and not another trigger, caused that;
--   calm: is written only to learn the number of the command that writes it.
create unlogged table tidings.commits (
    xact       xid8 primary key,
    firing     integer not null default 0,
    at_commit  integer not null default 0,
    calm       boolean
);

-- The right to number events: locked, never written. A table and not an advisory lock,
-- because any role may take an advisory lock.
create table tidings.turn ();
alter table tidings.turn replica identity full; -- see 0001_content.sql

-- One row for each history, that is, an uninterrupted sequence of positions. A new one
-- begins after a promotion, a restore or a copy. `epoch` is the time of its beginning in
-- microseconds since 1970, so that no other history has the number. `started_after` is the
-- last position of the history before it; the other columns identify the history
-- (functions/note_epoch.sql).
create table tidings.epochs (
    epoch              bigint primary key,
    started_after      bigint not null,
    timeline           text not null,
    system_identifier  bigint not null,
    database_oid       oid not null,
    events_oid         oid not null,
    created_at         timestamptz not null default clock_timestamp()
);
comment on table tidings.epochs is
    'One row for each history of the log. A new one begins after a promotion or a restore.';
insert into tidings.epochs (epoch, started_after, timeline, system_identifier, database_oid, events_oid)
values (
    (extract(epoch from clock_timestamp()) * 1000000)::bigint,
    0,
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    (pg_control_system()).system_identifier,
    (select oid from pg_database where datname = current_database()),
    'tidings.events'::regclass
);

-- What flush knows about the commit before it. Three sequences, because a transaction in
-- REPEATABLE READ must read the newest value and not that of its snapshot; unlogged,
-- because no snapshot outlives a crash.
--   last_flush: the transaction that flushed last;
--   last_history: a hash of the history that its number belongs to, since a dump carries
--   the number into databases where it means nothing;
--   this_system: the system identifier of that history. Reading it from pg_control is slow,
--   so only the first commit after a start of the server does that.
create unlogged sequence tidings.last_flush;
create unlogged sequence tidings.last_history minvalue 0;
create unlogged sequence tidings.this_system minvalue -9223372036854775808;
