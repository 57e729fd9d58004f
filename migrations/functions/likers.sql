-- Returns the users who like a comment.
--
-- In PL/pgSQL, so that a statement that calls it locks the table likes only when the call is made.
create or replace function tidings.likers(post text, comment bigint) returns setof text
language plpgsql stable rows 10
as $$
#variable_conflict use_variable
begin
    return query
        select user_id
        from tidings.likes
        where likes.post_id = post and likes.comment_id = comment;
end
$$;
