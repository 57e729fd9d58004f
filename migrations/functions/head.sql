create or replace function tidings.head() returns bigint
language sql stable
as $$
    select greatest(
        (select max(position) from tidings.events),
        (select position from tidings.floor)
    )
$$;
