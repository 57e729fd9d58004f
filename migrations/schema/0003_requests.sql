-- What the API keeps of requests for a limited time.

-- A ticket stands for a token in the URL of an EventSource. It can be used once, within a
-- minute, on any instance. Only its hash is stored. Unlogged: after a crash, clients ask
-- for a new ticket.
create unlogged table tidings.tickets (
    hash        bytea primary key,
    topics      text[] not null,
    identity    jsonb not null,
    expires_at  timestamptz not null
);
create index tickets_by_expiry on tidings.tickets (expires_at);

-- The answer to a comment's Idempotency-Key, kept for a day. It is read from the comment
-- again, so it has no text that was removed since.
--   fingerprint: a hash of the request, so that the same key with another request is refused;
--   created_at: of the comment, which may be gone.
create table tidings.idempotency (
    user_id      text not null,
    key          text not null,
    fingerprint  bytea not null,
    comment_id   bigint not null,
    created_at   timestamptz not null,
    primary key (user_id, key)
);
create index idempotency_by_age on tidings.idempotency (created_at);

-- The key of signals (NOTIFY on the channel tidings_signal). Any role may send a NOTIFY, so a
-- signal carries a MAC that only sessions with this key can make. No role but the owner
-- may read it. One row.
create table tidings.signal_key (
    key  bytea not null,
    one  boolean primary key default true check (one)
);
insert into tidings.signal_key (key)
select sha256(convert_to(string_agg(gen_random_uuid()::text, ' '), 'UTF8'))
from generate_series(1, 4);
