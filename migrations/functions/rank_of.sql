-- Returns the rank of a comment by its number of likes: see the table ranks. Up to 63 likes, each
-- number is a rank. Above, a doubling has 16 ranks of equal width: 64 to 67 likes are rank 64, 124 to
-- 127 are 79, 128 to 135 are 80.
--
-- From 64 on, highest is the place of the highest bit of likes. The four bits below it choose one
-- of the 16 ranks.
--
-- In PL/pgSQL, because a call of a function in SQL plans its query again in each statement.
create or replace function tidings.rank_of(likes bigint) returns integer
language plpgsql immutable strict
as $$
#variable_conflict use_variable
declare
    highest integer := length(ltrim(likes::bit(64)::text, '0')) - 1;
begin
    if likes < 64 then
        return greatest(likes, 0);
    end if;
    return (highest - 2) * 16 + (likes >> (highest - 4)) % 16;
end
$$;
