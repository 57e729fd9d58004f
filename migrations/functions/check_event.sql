-- Refuses a topic or a name that no event of a site can have: SQLSTATE 22023, with a hint.
--   topic: <kind>:<id>. The kind has 1 to 32 of a-z 0-9 - and begins with a letter. The id
--   has 1 to 255 of the characters of a URL (RFC 3986), % and |, or up to 512 after the kind
--   post, and is not . or .. or - or *
--   name: 1 to 64 of a-z 0-9 . -, except stream.* and the names in the list below, which
--   a test compares with the list of event names in Go.
--
-- The lengths are separate conditions, because a bounded repetition like {1,255} compiles
-- to an automaton of 255 states, again for each call.
create or replace function tidings.check_event(topic text, name text) returns void
language plpgsql stable
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    if check_event.topic is null or check_event.topic !~ '^[a-z][a-z0-9-]*:[]A-Za-z0-9._~:/?#@!$&''()*+,;=%|[-]+$'
        or strpos(check_event.topic, ':') > 33
        or octet_length(check_event.topic) - strpos(check_event.topic, ':') > (case when check_event.topic like 'post:%' then 512 else 255 end)
        or substr(check_event.topic, strpos(check_event.topic, ':') + 1) in ('.', '..', '-', '*') then
        raise exception 'invalid topic %', coalesce(quote_literal(left(check_event.topic, 80)), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'A topic is <kind>:<id>, like post:42; an id is 1 to 255 (of a post: 512) characters of a URL, % or |';
    end if;
    if check_event.name is null or check_event.name !~ '^[a-z0-9.-]+$' or octet_length(check_event.name) > 64 then
        raise exception 'invalid event name %', coalesce(quote_literal(left(check_event.name, 80)), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'A name is 1 to 64 of a-z 0-9 . -';
    end if;
    if check_event.name like 'stream.%' or check_event.name in (
        'new-comment', 'comment-updated', 'comment-deleted', 'comment-count', 'like-update',
        'post-updated', 'post-deleted', 'notification', 'liked', 'moderation', 'typing', 'presence', 'open', 'error'
    ) then
        raise exception 'event name % is reserved', quote_literal(check_event.name)
            using errcode = 'invalid_parameter_value',
                  hint = 'Write to the tables of the schema tidings to cause these events, or choose another name.';
    end if;
end
$$;
