-- Refuses comments with values that servers and readers do not take, like a CHECK: SQLSTATE 23514,
-- with the name of the rule as the name of the constraint.
--   comments_author_grammar: author_id is an id of a user;
--   comments_body_length: the body has up to 5,000 characters, and one that can be seen, unless the
--   comment is deleted;
--   comments_created_at_range, comments_edited_at_range, comments_deleted_at_range and
--   comments_pinned_at_range: RFC 3339 can write the time;
--   comments_id_positive: servers read 0 as no comment;
--   comments_mentions: up to 100 ids of users;
--   comments_parent_is_older: ids rise from the root, so a thread has no cycle;
--   comments_pinned_is_root: a pinned comment has no parent;
--   comments_status: one of the five.
--
-- Postgres reads and prepares the CHECKs of a table again for each statement. For one comment in a
-- transaction, that was a fifth of all instructions of Postgres. The plan of this statement is kept.
--
-- A statement trigger after INSERT and UPDATE, so triggers of the site before them may set the
-- columns. Its names are before those of the triggers that read the rows. ENABLE ALWAYS: it also
-- fires in sessions with session_replication_role = replica, as a CHECK does. Subscriptions of
-- logical replication fire no statement triggers.
create or replace function tidings.comments_checked() returns trigger
language plpgsql
set search_path = pg_catalog, tidings, pg_temp
set row_security = off
as $$
#variable_conflict use_variable
declare
    failing bigint; -- the id of a row that is refused
    rule    text; -- the rule that refuses it
begin
    select id, c.broken
    into failing, rule
    from (
        select
            id,
            case
                when not (
                    author_id ~ '^[]A-Za-z0-9._~:/?#@!$&''()*+,;=%|[-]+$' and octet_length(author_id) <= 255
                    and author_id not in ('.', '..', '-', '*')
                ) then 'comments_author_grammar'
                when not (
                    char_length(body) <= 5000
                    and (status = 'deleted' or body ~ '[^\s\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]')
                ) then 'comments_body_length'
                when not (created_at >= '0001-01-01 00:00Z' and created_at < '10000-01-01 00:00Z') then 'comments_created_at_range'
                when not (edited_at >= '0001-01-01 00:00Z' and edited_at < '10000-01-01 00:00Z') then 'comments_edited_at_range'
                when not (deleted_at >= '0001-01-01 00:00Z' and deleted_at < '10000-01-01 00:00Z') then 'comments_deleted_at_range'
                when not (pinned_at >= '0001-01-01 00:00Z' and pinned_at < '10000-01-01 00:00Z') then 'comments_pinned_at_range'
                when not id > 0 then 'comments_id_positive'
                when mentions <> '{}' and (
                    cardinality(mentions) <= 100
                    and array_ndims(mentions) = 1
                    and array_position(mentions, null) is null
                    and array_to_string(mentions, ' ') ~ '^[]A-Za-z0-9._~:/?#@!$&''()*+,;=%|[-]+( []A-Za-z0-9._~:/?#@!$&''()*+,;=%|[-]+)*$'
                    and cardinality(string_to_array(array_to_string(mentions, ' '), ' ')) = cardinality(mentions)
                    and array_to_string(mentions, ' ') !~ '[^ ]{255}[^ ]'
                    and not mentions && '{.,..,-,*}'
                ) is not true then 'comments_mentions'
                when not parent_id < id then 'comments_parent_is_older'
                when pinned_at is not null and parent_id is not null then 'comments_pinned_is_root'
                when status not in ('published', 'pending', 'rejected', 'spam', 'deleted') then 'comments_status'
            end as broken
        from added
    ) as c
    where c.broken is not null
    limit 1;

    if rule is not null then
        raise exception 'new row for relation "comments" violates check constraint "%"', rule
            using errcode = 'check_violation', schema = 'tidings', table = 'comments', constraint = rule,
                  detail = (select format('Failing row contains %s.', left(added::text, 200)) from added where id = failing limit 1);
    end if;
    return null;
end
$$;

create or replace trigger checked_insert after insert on tidings.comments
    referencing new table as added
    for each statement execute function tidings.comments_checked();
create or replace trigger checked_update after update on tidings.comments
    referencing new table as added
    for each statement execute function tidings.comments_checked();
alter table tidings.comments enable always trigger checked_insert;
alter table tidings.comments enable always trigger checked_update;
