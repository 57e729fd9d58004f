-- Keeps the body that an UPDATE has replaced or emptied, for moderators. A row trigger after
-- UPDATE, for comments with another version, as another body always has. The condition does not
-- name body, because Postgres refuses to change the type of a column that a trigger names, and a
-- site may change the types of its texts.
create or replace function tidings.comment_revised() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    if old.body = new.body or old.body = '' then
        return null;
    end if;
    insert into tidings.revisions (comment_id, version, body)
    values (old.id, old.version, old.body)
    on conflict do nothing;
    return null;
end
$$;

create or replace trigger revised after update on tidings.comments
    for each row when ((old.version <> new.version)) execute function tidings.comment_revised();
