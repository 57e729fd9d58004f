-- Adds the tombstone to the events `comment-deleted` of a transaction whose comment is a tombstone
-- when the transaction ends, also where the comment was shown and hidden again. An event without
-- a topic, about a hidden comment with another time, gets its topic.
--
-- keep_tombstones calls it under the turn, when `tombstones` is up to date.
create or replace function tidings.complete_deletions(mine xid8) returns void
language sql
as $$
    update tidings.pending
    set topic = 'post:' || post_id,
        data = data || jsonb_build_object('tombstone', tidings.tombstone_data(comment_id))
    where xact = mine and name = 'comment-deleted'
        and exists (select from tidings.tombstones where tombstones.id = pending.comment_id offset 0)
$$;
