-- Refuses TRUNCATE (SQLSTATE 0A000, with a hint). A trigger on TRUNCATE has no transition
-- table, so it could not write the events: the tables would be empty, and the counts
-- would stay.
create or replace function tidings.refuse_truncate() returns trigger
language plpgsql
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    raise exception 'tidings.% cannot be truncated: its events and counts would be lost', tg_table_name
        using errcode = 'feature_not_supported', hint = format('DELETE FROM tidings.%I instead.', tg_table_name);
end
$$;

create or replace trigger no_truncate before truncate on tidings.users for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.posts for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.comments for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.likes for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.notifications for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.counts for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.events for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.floor for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.epochs for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.pending for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.commits for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.signal_key for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.withdrawn for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.tombstones for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.revisions for each statement execute function tidings.refuse_truncate();
create or replace trigger no_truncate before truncate on tidings.ranks for each statement execute function tidings.refuse_truncate();
