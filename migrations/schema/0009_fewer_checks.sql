-- Less work for each comment. Postgres reads and prepares the checks of a table again for each
-- statement. functions/comments_checked.sql has the same rules, with the same names.
do $$
declare
    name text;
begin
    foreach name in array array[
        'author_grammar', 'body_length', 'created_at_range', 'edited_at_range', 'deleted_at_range', 'pinned_at_range',
        'id_positive', 'mentions', 'parent_is_older', 'pinned_is_root', 'status'
    ] loop
        execute format('alter table tidings.comments drop constraint %I', 'comments_' || name);
    end loop;
end
$$;

-- A part of flush, and no function calls it any more.
drop function if exists tidings.lock_tables(xid8);
