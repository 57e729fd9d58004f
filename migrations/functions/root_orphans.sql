-- Sets root_id of comments that were inserted before their parent, now that the parent has a
-- row. ids are the comments of an INSERT. comments_inserted calls it. The UPDATE here fires
-- comments_updated, which counts the comments in their thread.
create or replace function tidings.root_orphans(ids bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    with recursive rooted as (
        -- An orphan among the new comments, or below one of them, whose parent has a root.
        select orphan.id, case when parent.parent_id is null then parent.id else parent.root_id end as root_id
        from (
            select c.id, c.parent_id
            from unnest(ids) as added (id)
            cross join lateral (
                select id, parent_id
                from tidings.comments
                where comments.id = added.id and comments.root_id is null and comments.parent_id is not null
                offset 0
            ) as c
            union
            select c.id, c.parent_id
            from unnest(ids) as added (id)
            cross join lateral (
                select id, parent_id
                from tidings.comments
                where comments.parent_id = added.id and comments.root_id is null
                offset 0
            ) as c
        ) as orphan
        cross join lateral (select * from tidings.comments where comments.id = orphan.parent_id offset 0) as parent
        where parent.parent_id is null or parent.root_id is not null
        union
        select c.id, rooted.root_id
        from rooted
        cross join lateral (
            select id
            from tidings.comments
            where comments.parent_id = rooted.id and comments.root_id is null
            offset 0
        ) as c
    )
    update tidings.comments
    set root_id = rooted.root_id
    from rooted
    where comments.id = rooted.id;
end
$$;
