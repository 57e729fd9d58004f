-- Returns a time as the API writes it: RFC 3339 in UTC with six decimals, like
-- 2026-01-02T03:04:05.678901Z. The settings of the session do not matter. Null for null.
create or replace function tidings.rfc3339(t timestamptz) returns text
language sql stable
as $$
    select to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
