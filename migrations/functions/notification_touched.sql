-- Refuses an UPDATE that changes the id, the user, the actor or the target of a notification
-- (SQLSTATE 23000): the row would be told to another user, or twice. Only read_at and
-- created_at may change, and the actor to the author that the comment has now.
--
-- A row trigger before UPDATE. SECURITY DEFINER: the writer needs no rights on comments.
create or replace function tidings.notification_touched() returns trigger
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    if (new.id, new.user_id, new.kind, new.post_id, new.comment_id, new.thread_id)
        is distinct from (old.id, old.user_id, old.kind, old.post_id, old.comment_id, old.thread_id)
        or new.actor_id <> old.actor_id
            and (old.kind = 'like' or new.actor_id is distinct from (select author_id from tidings.comments where id = old.comment_id)) then
        raise exception 'a notification keeps its id, user, kind, actor, post and comment'
            using errcode = 'integrity_constraint_violation', hint = 'Delete it and insert another.';
    end if;
    return new;
end
$$;

create or replace trigger touched before update on tidings.notifications
    for each row execute function tidings.notification_touched();
