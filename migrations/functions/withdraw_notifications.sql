-- Withdraws notifications: moves the rows with these ids from `notifications` to `withdrawn`.
-- They keep all columns until they are moved back, by notify or restore_notifications.
create or replace function tidings.withdraw_notifications(ids bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    if ids is null then
        return;
    end if;
    with gone as (
        delete from tidings.notifications
        where id = any (ids)
        returning *
    )
    insert into tidings.withdrawn (id, user_id, kind, post_id, comment_id, actor_id, created_at, read_at, thread_id, more)
    select id, user_id, kind, post_id, comment_id, actor_id, created_at, read_at, thread_id, more
    from gone;
end
$$;
