-- Brings `ranks` up to date with the likes of comments that a transaction has changed. number calls
-- it under the turn, after the new counts are written, for a transaction that has such changes.
--
-- A row is written only if its rank changes. An UPDATE of the same row for each like would leave a
-- dead version each time.
create or replace function tidings.rank_comments(mine xid8) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    with liked as materialized (
        select
            changed.id, root.post_id, tidings.rank_of(newest.likes) as rank,
            case when newest.likes < 64 then changed.id else 0 end as tie,
            (select rank from tidings.ranks where ranks.id = changed.id) as was
        from (
            select substr(target, length('comment:') + 1)::bigint as id
            from tidings.pending
            where xact = mine and likes <> 0 and target like 'comment:%'
            group by target
        ) as changed
        cross join lateral (
            select likes
            from tidings.counts
            where target = 'comment:' || changed.id
            order by position desc
            limit 1
        ) as newest
        left join lateral (
            select post_id
            from tidings.comments
            where comments.id = changed.id and parent_id is null
            offset 0
        ) as root on true
    ),
    dropped as (
        delete from tidings.ranks
        where id = any (array(select id from liked where was is not null and (rank = 0 or post_id is null)))
    ),
    moved as (
        update tidings.ranks
        set rank = liked.rank, tie = liked.tie
        from liked
        where ranks.id = liked.id and liked.was <> liked.rank and liked.rank > 0 and liked.post_id is not null
    )
    insert into tidings.ranks (id, post_id, rank, tie)
    select id, post_id, rank, tie
    from liked
    where was is null and rank > 0 and post_id is not null;
end
$$;
