-- Keeps the columns of an edited comment consistent, whatever SQL edits it:
--   id, post_id and parent_id cannot change (SQLSTATE 23000);
--   root_id stays, but for the UPDATE of root_orphans, which sets it to a root;
--   status 'deleted' empties the body and sets deleted_at; another status clears deleted_at;
--   another body sets edited_at, unless the comment was deleted;
--   each change that lists show raises the version.
--
-- A row trigger before UPDATE.
create or replace function tidings.comment_touched() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    if (new.id, new.post_id, new.parent_id) is distinct from (old.id, old.post_id, old.parent_id) then
        raise exception 'a comment keeps its id, post and parent'
            using errcode = 'integrity_constraint_violation', hint = 'Delete it and insert another.';
    end if;
    if new.root_id is distinct from old.root_id and (
        old.root_id is not null or new.parent_id is null
        or not exists (select from tidings.comments where id = new.root_id and parent_id is null)
    ) then
        new.root_id := old.root_id;
    end if;
    if new.status = 'deleted' and old.status <> 'deleted' then
        new.body := '';
        new.deleted_at := clock_timestamp();
    elsif new.status <> 'deleted' and old.status = 'deleted' then
        new.deleted_at := null;
    elsif new.body <> old.body then
        new.edited_at := clock_timestamp();
    end if;
    if (new.body, new.status, new.author_id, new.created_at, new.edited_at, new.pinned_at)
        is distinct from (old.body, old.status, old.author_id, old.created_at, old.edited_at, old.pinned_at) then
        new.version := old.version + 1;
    end if;
    return new;
end
$$;

create or replace trigger touched before update on tidings.comments
    for each row execute function tidings.comment_touched();
