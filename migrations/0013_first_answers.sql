-- A key answers as its first request was answered, also where a trigger of the site's
-- had changed the comment.
alter table tidings.idempotency
    add column body   text, -- null: as it was sent
    add column status text; -- null: published
