-- Locks the tables that flush reads and writes for a transaction, in addition to its own tables.
-- mine is the transaction.
--
-- flush calls it before the turn: ALTER TABLE, VACUUM FULL and roles that may change rows lock
-- tables, and would keep the turn from all others if flush waited for them later. Of most
-- transactions the tables are locked already, because their statements have used them. A commit
-- without changes of notifications, without likes and other authors, and without hidden or shown
-- comments, needs no other table.
create or replace function tidings.lock_tables(mine xid8) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    if exists (
        select from tidings.pending
        where xact = mine
            and (came is not null or kind = 'like' or comment_id is not null and (name = 'comment-deleted' or name = 'liked' and likes <= 0))
    ) then
        lock table tidings.posts, tidings.comments, tidings.likes in access share mode;
        lock table tidings.notifications in row exclusive mode;
    end if;
end
$$;
