-- Asks in `pending` for the notifications `mention` of comments, for each user that a comment
-- mentions, who has written a published comment on the post, and is not its author. It is
-- called before `reply` and `comment` are asked for, because the first kind wins.
create or replace function tidings.mention(ids bigint[]) returns void
language plpgsql
as $$
#variable_conflict use_variable
begin
    insert into tidings.pending (recipient, kind, actor_id, post_id, comment_id)
    select m.user_id, 'mention', c.author_id, c.post_id, c.id
    from unnest(ids) as given (id)
    cross join lateral (
        select *
        from tidings.comments
        where comments.id = given.id and comments.status = 'published'
        offset 0
    ) as c
    cross join lateral (select distinct unnest(c.mentions) as user_id) as m
    where m.user_id <> c.author_id
        and exists (
            select from tidings.comments as own
            where own.author_id = m.user_id and own.post_id = c.post_id and own.status = 'published'
            offset 0
        )
    order by c.id, m.user_id;
end
$$;
