-- Returns the counts of a comment as events and tombstones have them: its likes, its replies, and
-- the comments below it at any depth.
create or replace function tidings.comment_counts(comment bigint) returns jsonb
language plpgsql stable
as $$
#variable_conflict use_variable
begin
    return coalesce((
        select jsonb_build_object('likeCount', likes, 'replyCount', comments, 'threadCount', thread)
        from tidings.counts
        where target = 'comment:' || comment
        order by position desc
        limit 1
    ), '{"likeCount": 0, "replyCount": 0, "threadCount": 0}');
end
$$;
