-- Restores notifications: moves the rows with these ids from `withdrawn` to `notifications`. A
-- row keeps its id and read_at. If an equal row exists by now, the withdrawn one is gone.
create or replace function tidings.restore_notifications(ids bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    if ids is null then
        return;
    end if;
    with back as (
        delete from tidings.withdrawn
        where id = any (ids)
        returning *
    )
    insert into tidings.notifications (id, user_id, kind, post_id, comment_id, actor_id, created_at, read_at, thread_id, more)
        overriding system value
    select id, user_id, kind, post_id, comment_id, actor_id, created_at, read_at, thread_id, more
    from back
    order by id
    on conflict do nothing;
end
$$;
