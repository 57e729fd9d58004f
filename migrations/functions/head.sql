-- Returns the last position of the log. It is the floor if retention has removed all
-- events, and 0 if there has never been one.
create or replace function tidings.head() returns bigint
language sql stable
as $$
    select greatest(
        (select max(position) from tidings.events),
        (select position from tidings.floor)
    )
$$;
