-- One index less to write for each comment, and replies to one comment by time.

-- comments_by_parent finds replies without a root, too: the other replies to a comment are never
-- older than its row.
drop index tidings.comments_without_root;

-- With the time, a page of 10,000 replies to one reply reads its own rows only. post_id is
-- there for the foreign key of parent_id.
drop index tidings.comments_by_parent;
create index comments_by_parent on tidings.comments (parent_id, post_id, status, created_at, id) where parent_id is not null;

-- Replaced by keep_tombstones, and no function calls it any more.
drop function if exists tidings.change_tombstones(xid8);
