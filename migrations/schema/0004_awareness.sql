-- What instances tell each other about the present: their readers, and signals that do not fit
-- a NOTIFY or must not be in one. The tables are unlogged: after a crash, instances connect
-- again and write their rows again.

-- A running instance. It lives as long as its LISTEN session, which is the backend with this
-- pid that holds an advisory lock, so no instance has to write a sign of life.
--   lock_key: random key of the lock, since a later backend may have the same pid;
--   asked: raised with each post that readers of the instance begin to watch;
--   answered: asked of each other instance, as it was when this instance last wrote the rows
--   of all watched posts.
create unlogged table tidings.instances (
    id        uuid primary key,
    pid       integer not null,
    lock_key  bigint not null,
    asked     bigint not null,
    answered  jsonb not null
);

-- What an instance has to tell about a post. It has a row for the posts that its readers
-- watch, and for the posts that readers of other instances watch.
--   watched: readers of the instance ask for the presence of the post;
--   viewers: readers without a user;
--   users: the first 20 users in the order of their ids, as [{"id", "name"}];
--   members: eight bytes of the SHA-256 of the id of each user, in order, so that a user is
--   counted once on two instances;
--   changed: the transaction that wrote the row. Instances read the rows of transactions that
--   their last read did not see.
create unlogged table tidings.presence (
    instance  uuid not null,
    topic     text not null,
    watched   boolean not null,
    viewers   integer not null,
    users     jsonb not null,
    members   bytea not null,
    changed   xid8 not null,
    primary key (instance, topic)
);
create index presence_by_change on tidings.presence (changed);

-- Signals to private topics. Any role can receive a NOTIFY, so the notification has no
-- content. Instances read new rows by the transaction that wrote them, and rows older than 10 s
-- are of no use.
create unlogged table tidings.signals (
    id          uuid primary key default gen_random_uuid(),
    topic       text not null,
    name        text not null,
    data        jsonb not null,
    changed     xid8 not null default pg_current_xact_id(),
    created_at  timestamptz not null default clock_timestamp()
);
create index signals_by_change on tidings.signals (changed);
create index signals_by_age on tidings.signals (created_at);
