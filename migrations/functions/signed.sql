-- Returns the payload of a signal: "<mac> <microseconds since 1970> <nonce> <body>". Any role
-- can send a NOTIFY, so the MAC, which covers all after it, shows that the sender can read
-- tidings.signal_key. Instances ignore a payload that is older than 10 s or repeated.
create or replace function tidings.signed(body text) returns text
language sql volatile
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
    select encode(sha256(key || sha256(key || convert_to(message, 'UTF8'))), 'hex') || ' ' || message
    from tidings.signal_key
    cross join concat_ws(' ',
        (extract(epoch from clock_timestamp()) * 1000000)::bigint, gen_random_uuid(), body) as message
$$;
