-- What SQL calls: publish an event, repair the counts.

-- Puts an event into the caller's transaction: readers of the topic see it when,
-- and only when, the transaction commits. Errors are invalid_parameter_value with
-- a hint. The data is limited so that one frame stays below 60 KiB, the longest
-- line some SSE clients accept.
create function tidings.publish(topic text, name text, data jsonb) returns void
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
declare
    -- Characters that the wire escapes to six bytes each.
    escaped constant text := E'[\u0085\u2028\u2029]';
    bytes   bigint := octet_length(regexp_replace(publish.data::text, escaped, '......', 'g'));
begin
    if publish.topic is null or publish.topic !~ '^[a-z][a-z0-9-]{0,31}:[A-Za-z0-9._~:/|@+=,-]{1,200}$'
        or substr(publish.topic, strpos(publish.topic, ':') + 1) in ('.', '..') then
        raise exception 'invalid topic %', coalesce(quote_literal(left(publish.topic, 80)), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'A topic is <kind>:<id>, like post:42; an id is 1 to 200 of A-Z a-z 0-9 . _ ~ : / | @ + = , -';
    end if;
    if publish.name is null or publish.name !~ '^[a-z0-9.-]{1,64}$' then
        raise exception 'invalid event name %', coalesce(quote_literal(left(publish.name, 80)), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'A name is 1 to 64 of a-z 0-9 . -';
    end if;
    if publish.name like 'stream.%' or publish.name in (
        'new-comment', 'comment-updated', 'comment-deleted', 'comment-count', 'like-update',
        'notification', 'typing', 'presence', 'open', 'error'
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
    insert into tidings.pending (topic, name, data)
    values (publish.topic, publish.name, publish.data);
end
$$;

-- Counts everything anew and publishes what was wrong. Returns how many counters
-- it repaired. It holds the turn while it counts, and until its transaction ends:
-- commits with events wait.
create function tidings.recount() returns bigint
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
as $$
declare
    repaired bigint;
begin
    lock table tidings.turn in exclusive mode;
    if exists (select from tidings.pending where xact = pg_current_xact_id()) then
        raise exception 'tidings.recount() must come first in its transaction'
            using errcode = 'active_sql_transaction',
                  hint = 'What the transaction has changed so far would be counted twice.';
    end if;
    insert into tidings.pending (target, post_id, comments, likes, unread)
    select
        target,
        case -- null for a comment that is gone: it has no readers
            when actual.post_id is not null then actual.post_id
            when target like 'comment:%' then (
                select c.post_id from tidings.comments c where c.id = substr(target, 9)::bigint
            )
            else substr(target, 6)
        end,
        coalesce(actual.comments, 0) - coalesce(noted.comments, 0),
        coalesce(actual.likes, 0) - coalesce(noted.likes, 0),
        coalesce(actual.unread, 0) - coalesce(noted.unread, 0)
    from (
        select target, min(post_id) as post_id, sum(comments) as comments, sum(likes) as likes, sum(unread) as unread
        from (
            select 'post:' || post_id as target, post_id, 1 as comments, 0 as likes, 0 as unread
            from tidings.comments where status = 'published'
            union all
            select 'comment:' || parent_id, post_id, 1, 0, 0
            from tidings.comments where status = 'published' and parent_id is not null
            union all
            select coalesce('comment:' || comment_id, 'post:' || post_id), post_id, 0, 1, 0
            from tidings.likes
            union all
            select 'user:' || user_id, null, 0, 0, 1
            from tidings.notifications where read_at is null
        ) as fact
        group by target
    ) as actual
    full join (
        select distinct on (target) target, comments, likes, unread
        from tidings.counts
        order by target, position desc
    ) as noted using (target)
    where (coalesce(actual.comments, 0), coalesce(actual.likes, 0), coalesce(actual.unread, 0))
        is distinct from (coalesce(noted.comments, 0), coalesce(noted.likes, 0), coalesce(noted.unread, 0));
    get diagnostics repaired = row_count;
    return repaired;
end
$$;

-- Nothing is for everyone by default: grant what a role needs, for example
--     grant usage on schema tidings to app;
--     grant insert (post_id, parent_id, author_id, body) on tidings.comments to app;
--     grant execute on function tidings.publish to app;
revoke all on all functions in schema tidings from public;
