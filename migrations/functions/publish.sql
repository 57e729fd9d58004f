-- Adds an event to the caller's transaction. Readers of the topic get it if and only if
-- the transaction commits.
--   topic: <kind>:<id>. The kind has 1 to 32 of a-z 0-9 - and begins with a letter. The id
--   has 1 to 255 of the characters of a URL (RFC 3986), % and |, or up to 512 after the kind
--   post, and is not . or .. or - or *
--   name: 1 to 64 of a-z 0-9 . -, except stream.* and the names in the list below, which
--   a test compares with the list of event names in Go;
--   data: any JSON of at most 59,000 bytes on the wire, where U+0085, U+2028 and U+2029
--   are escaped to six bytes each. One event then stays below 60 KiB, the longest line
--   that some SSE clients accept. Its arrays and objects are nested at most 9,997 deep:
--   Go's parser of JSON takes 10,000 levels, of which the answer of a poll has three.
-- Other arguments are refused: SQLSTATE 22023, with a hint.
--
-- The lengths are separate conditions, because a bounded repetition like {1,255} compiles
-- to an automaton of 255 states, again for each call.
--
-- SECURITY DEFINER: a role needs USAGE on the schema and EXECUTE on this function.
create or replace function tidings.publish(topic text, name text, data jsonb) returns void
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
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
    if publish.topic is null or publish.topic !~ '^[a-z][a-z0-9-]*:[]A-Za-z0-9._~:/?#@!$&''()*+,;=%|[-]+$'
        or strpos(publish.topic, ':') > 33
        or octet_length(publish.topic) - strpos(publish.topic, ':') > (case when publish.topic like 'post:%' then 512 else 255 end)
        or substr(publish.topic, strpos(publish.topic, ':') + 1) in ('.', '..', '-', '*') then
        raise exception 'invalid topic %', coalesce(quote_literal(left(publish.topic, 80)), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'A topic is <kind>:<id>, like post:42; an id is 1 to 255 (of a post: 512) characters of a URL, % or |';
    end if;
    if publish.name is null or publish.name !~ '^[a-z0-9.-]+$' or octet_length(publish.name) > 64 then
        raise exception 'invalid event name %', coalesce(quote_literal(left(publish.name, 80)), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'A name is 1 to 64 of a-z 0-9 . -';
    end if;
    if publish.name like 'stream.%' or publish.name in (
        'new-comment', 'comment-updated', 'comment-deleted', 'comment-count', 'like-update',
        'post-deleted', 'notification', 'typing', 'presence', 'open', 'error'
    ) then
        raise exception 'event name % is reserved', quote_literal(publish.name)
            using errcode = 'invalid_parameter_value',
                  hint = 'Write to the tables of the schema tidings to cause these events, or choose another name.';
    end if;
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
