-- Returns the data of the event `moderation` about a comment, which number completes with the
-- counts. was and becomes are the status before and after; was is null for a new comment. `by`
-- is the user that changed the status, and absent if the transaction does not say (moderator). The
-- view tidings.log adds the text.
create or replace function tidings.moderation_data(c tidings.comments, was text, becomes text) returns jsonb
language sql stable
as $$
    select jsonb_build_object('comment', tidings.comment_data(c), 'was', was, 'status', becomes)
        || case when current_setting('tidings.by', true) <> ''
                then jsonb_build_object('by', tidings.moderator())
                else '{}' end
$$;
