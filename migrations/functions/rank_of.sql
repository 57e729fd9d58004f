-- Returns the rank of a comment by its number of likes: see the table ranks. Up to 15 likes, each
-- number is a rank. Above, a doubling has eight ranks of equal width: 16 and 17 likes are rank 16,
-- 30 and 31 are 23, 32 to 35 are 24.
--
-- From 16 on, n is the place of the highest bit of likes. The three bits below it choose one of
-- the eight ranks.
create or replace function tidings.rank_of(likes bigint) returns integer
language sql immutable
as $$
    select case
        when likes < 16 then greatest(likes, 0)
        else (n - 2) * 8 + (likes >> (n - 3)) % 8
    end::integer
    from (select length(ltrim(likes::bit(64)::text, '0')) - 1 as n) as highest
$$;
