create or replace function tidings.rfc3339(t timestamptz) returns text
language sql stable
as $$
    select to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
