-- Returns the id of the root of a comment's thread, as JSON has it; null for a root.
--
-- In PL/pgSQL, so that a statement that calls it locks the table comments only when the call is
-- made.
create or replace function tidings.root_of(id bigint) returns text
language plpgsql stable
as $$
#variable_conflict use_variable
begin
    return (select root_id::text from tidings.comments where comments.id = root_of.id);
end
$$;
