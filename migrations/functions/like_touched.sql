-- Refuses an UPDATE that changes the target or the user of a like (SQLSTATE 23000): no
-- trigger would change the counts.
--
-- A row trigger before UPDATE.
create or replace function tidings.like_touched() returns trigger
language plpgsql
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    if (new.post_id, new.comment_id, new.user_id) is distinct from (old.post_id, old.comment_id, old.user_id) then
        raise exception 'a like keeps its target and user'
            using errcode = 'integrity_constraint_violation', hint = 'Delete it and insert another.';
    end if;
    return new;
end
$$;

create or replace trigger touched before update on tidings.likes
    for each row execute function tidings.like_touched();
