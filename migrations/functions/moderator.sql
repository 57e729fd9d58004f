-- Returns the user that the setting tidings.by names, and null without the setting. Refuses a
-- value that is no id of a user: SQLSTATE 22023. So the event `moderation` stays small.
create or replace function tidings.moderator() returns text
language plpgsql stable
as $$
#variable_conflict use_variable
declare
    named text := nullif(current_setting('tidings.by', true), '');
begin
    if named !~ '^[]A-Za-z0-9._~:/?#@!$&''()*+,;=%|[-]+$' or octet_length(named) > 255 or named in ('.', '..', '-', '*') then
        raise exception 'tidings.by is no id of a user: %', quote_literal(left(named, 80))
            using errcode = 'invalid_parameter_value',
                  hint = 'An id is 1 to 255 characters of a URL, % or |';
    end if;
    return named;
end
$$;
