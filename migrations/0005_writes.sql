-- What keeps writes right and the tables small over time.

-- The answer to a comment's Idempotency-Key, for a day: the comment itself is what
-- the request says, so its id and time are enough to answer again.
create table tidings.idempotency (
    user_id      text not null,
    key          text not null,
    fingerprint  bytea not null, -- of the request: the same key for another is refused
    comment_id   bigint not null,
    created_at   timestamptz not null,
    primary key (user_id, key)
);
create index idempotency_by_age on tidings.idempotency (created_at);

-- Retention looks up the counters of a range of positions. They are appended in that
-- order, so a few bytes a hundred pages do.
create index counts_by_position on tidings.counts using brin (position) with (autosummarize = on);
