-- Adds an event to the caller's transaction. Readers of the topic get it if and only if
-- the transaction commits.
--   topic, name: see tidings.check_event;
--   data: any JSON of at most 59,000 bytes on the wire, where U+0085, U+2028 and U+2029
--   are escaped to six bytes each. One event then stays below 60 KiB, the longest line
--   that some SSE clients accept. Its arrays and objects are nested at most 9,997 deep:
--   Go's parser of JSON takes 10,000 levels, of which the answer of a poll has three.
-- Other arguments are refused: SQLSTATE 22023, with a hint.
--
-- SECURITY DEFINER: a role needs USAGE on the schema and EXECUTE on this function.
create or replace function tidings.publish(topic text, name text, data jsonb) returns void
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
declare
    -- Characters that are six bytes on the wire.
    escaped constant text := E'[\u0085\u2028\u2029]';
    bytes   bigint := octet_length(publish.data::text);
    -- The data without strings, whose brackets do not nest.
    bare    text;
    depth   bigint := 0;
begin
    if bytes > 59000 / 6 then -- a shorter text is small enough, whatever is escaped
        bytes := octet_length(regexp_replace(publish.data::text, escaped, '......', 'g'));
    end if;
    perform tidings.check_event(publish.topic, publish.name);
    if publish.data is null or bytes > 59000 then
        raise exception 'event data is % bytes, at least 1 and at most 59000 are possible', coalesce(bytes, 0)
            using errcode = 'invalid_parameter_value',
                  hint = 'Store what is large and publish a reference to it.';
    end if;
    if bytes > 2 * 9997 then -- a shorter text has not as many brackets
        bare := regexp_replace(publish.data::text, E'"(\\\\.|[^"\\\\])*"', '', 'g');
        if octet_length(bare) - octet_length(translate(bare, '[{', '')) > 9997 then
            select max(level) into depth
            from (
                select sum(case when c in ('[', '{') then 1 when c in (']', '}') then -1 else 0 end)
                    over (order by n rows unbounded preceding) as level
                from unnest(string_to_array(bare, null)) with ordinality as characters (c, n)
            ) as levels;
        end if;
    end if;
    if depth > 9997 then
        raise exception 'event data is nested % deep, at most 9997 is possible', depth
            using errcode = 'invalid_parameter_value',
                  hint = 'Store what is nested as text, or publish a reference to it.';
    end if;
    insert into tidings.pending (topic, name, data)
    values (publish.topic, publish.name, publish.data);
end
$$;
