-- Sends a state of the site to the readers of a topic that are connected now, and to polls
-- that wait: a cursor position, a price, "recording". The log does not keep it. A reader that
-- has not got the last signal of the same topic and name yet gets only the newest. It is sent
-- when the transaction commits, and dropped if that is more than 10 s later.
--   topic, name: see tidings.check_event; others are refused, SQLSTATE 22023, with a hint;
--   data: any JSON of at most 6,144 bytes, as PostgreSQL writes jsonb. Longer data is refused,
--   SQLSTATE 54000, with a hint.
--
-- Everyone may read a post, so its signals are payloads of NOTIFY, which any role of the
-- database can receive. Signals to all other topics are rows of a table.
--
-- SECURITY DEFINER: a role needs USAGE on the schema and EXECUTE on this function.
create or replace function tidings.signal(topic text, name text, data jsonb) returns void
language plpgsql security definer
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
begin
    perform tidings.check_event(signal.topic, signal.name);
    if signal.data is null then
        raise exception 'event data is null'
            using errcode = 'invalid_parameter_value',
                  hint = $h$Give JSON; 'null' is one.$h$;
    end if;
    if octet_length(signal.data::text) > 6144 then
        raise exception 'event data is % bytes, at most 6144 are possible', octet_length(signal.data::text)
            using errcode = 'program_limit_exceeded',
                  hint = 'Store what is large and signal a reference to it, or use tidings.publish.';
    end if;
    if signal.topic like 'post:%' then
        perform pg_notify('tidings_signal',
            tidings.signed(jsonb_build_object('topic', signal.topic, 'name', signal.name, 'data', signal.data)::text));
    else
        insert into tidings.signals (topic, name, data)
        values (signal.topic, signal.name, signal.data);
        perform pg_notify('tidings_signals', '');
    end if;
end
$$;
