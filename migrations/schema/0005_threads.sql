-- Threads, pins, mentions, revisions, and the queue of moderators.

-- root_id is the comment at the top of a thread, null for that comment itself. Triggers set
-- it (comment_rooted, comments_inserted), whatever value is given.
-- pinned_at: lists show pinned comments first, the last one that was pinned on top.
-- mentions: ids of users that the comment mentions.
alter table tidings.comments
    add column root_id bigint,
    add column mentions text[] not null default '{}',
    add column pinned_at timestamptz,
    add constraint comments_mentions check (
        cardinality(mentions) <= 100
        and (
            mentions = '{}'
            or array_ndims(mentions) = 1
            and array_position(mentions, null) is null
            and array_to_string(mentions, ' ') ~ '^[]A-Za-z0-9._~:/?#@!$&''()*+,;=%|[-]+( []A-Za-z0-9._~:/?#@!$&''()*+,;=%|[-]+)*$'
            and cardinality(string_to_array(array_to_string(mentions, ' '), ' ')) = cardinality(mentions)
            and array_to_string(mentions, ' ') !~ '[^ ]{255}[^ ]'
            and not mentions && '{.,..,-,*}'
        )
    ),
    add constraint comments_pinned_at_range check (pinned_at >= '0001-01-01 00:00Z' and pinned_at < '10000-01-01 00:00Z'),
    add constraint comments_pinned_is_root check (pinned_at is null or parent_id is null);

-- The triggers of comments are disabled meanwhile, because a trigger of the site may refuse the
-- UPDATE, or tell somebody of it. Then each is as it was.
do $$
declare
    names  text[];
    states text[];
begin
    select array_agg(tgname), array_agg(tgenabled)
    into names, states
    from pg_trigger
    where tgrelid = 'tidings.comments'::regclass and not tgisinternal and tgenabled <> 'D';

    for i in 1 .. coalesce(cardinality(names), 0) loop
        execute format('alter table tidings.comments disable trigger %I', names[i]);
    end loop;

    with recursive below as (
        select id, id as root_id
        from tidings.comments
        where parent_id is null
        union all
        select c.id, below.root_id
        from below
        join tidings.comments as c on c.parent_id = below.id
    )
    update tidings.comments
    set root_id = below.root_id
    from below
    where comments.id = below.id and comments.parent_id is not null;

    for i in 1 .. coalesce(cardinality(names), 0) loop
        execute format('alter table tidings.comments enable %s trigger %I',
            case states[i] when 'A' then 'always' when 'R' then 'replica' else '' end, names[i]);
    end loop;
end
$$;

-- Lists by time: roots, and the replies of a thread. The pinned comments of a post.
create index comments_roots on tidings.comments (post_id, created_at, id) where parent_id is null;
create index comments_roots_by_id on tidings.comments (post_id, id) where parent_id is null;
create index comments_by_root on tidings.comments (root_id, created_at, id) where root_id is not null;
create index comments_pinned on tidings.comments (post_id, pinned_at, id) where pinned_at is not null;
-- Replies that were inserted before their parent, until the parent is. Almost always empty.
create index comments_without_root on tidings.comments (parent_id) where root_id is null and parent_id is not null;
-- The queue of moderators.
create index comments_by_status on tidings.comments (status, created_at, id) where status <> 'published';

-- thread: how many visible comments are below a root, at any depth. Also in `pending`, with
-- the change. The target 'moderation' has the number of pending comments in `comments`.
alter table tidings.counts add column thread bigint not null default 0;
alter table tidings.pending add column thread bigint not null default 0;

-- What `body` was before an edit or a deletion: that of version `version`. Only moderators
-- read it, and the row goes with its comment. No foreign key: a DELETE of many comments would
-- run one more trigger for each of them.
create table tidings.revisions (
    comment_id   bigint not null,
    version      integer not null,
    body         text not null,
    replaced_at  timestamptz not null default clock_timestamp(),
    primary key (comment_id, version)
);
alter table tidings.revisions alter body set statistics 0; -- see 0001_content.sql

-- Counts of the threads and of the queue that exist.
lock table tidings.turn in exclusive mode;
insert into tidings.counts (target, position, comments, likes, unread, thread)
select fact.target, nextval('tidings.positions'), coalesce(newest.comments, fact.comments), coalesce(newest.likes, 0), 0, fact.thread
from (
    select 'comment:' || root_id as target, 0 as comments, count(*) as thread
    from tidings.comments
    where status = 'published' and root_id is not null
    group by root_id
    union all
    select 'moderation', count(*), 0
    from tidings.comments
    where status = 'pending'
    having count(*) > 0
) as fact
left join lateral (
    select comments, likes
    from tidings.counts
    where target = fact.target
    order by position desc
    limit 1
) as newest on true;

-- The roots that have likes, by rank. A rank is a range of numbers of likes (functions/rank_of.sql), so
-- 10,000 likes of one comment change its row 180 times and not 10,000 times: each UPDATE leaves a dead
-- version, which one old transaction keeps alive. tie is the id if all likes of the rank are equal,
-- and 0 otherwise. A list of the most liked comments reads them by rank and tie, descending, and
-- sorts by likes and id those that are equal in both. Only flush writes here.
create table tidings.ranks (
    id       bigint primary key,
    post_id  text not null,
    rank     integer not null,
    tie      bigint not null
);
create index ranks_by_post on tidings.ranks (post_id, rank, tie);

-- rank_of does not exist yet.
insert into tidings.ranks (id, post_id, rank, tie)
select
    c.id, c.post_id,
    case when n.likes < 64 then n.likes else (n.highest - 2) * 16 + (n.likes >> (n.highest - 4)) % 16 end,
    case when n.likes < 64 then c.id else 0 end
from tidings.comments as c
cross join lateral (
    select likes, length(ltrim(likes::bit(64)::text, '0')) - 1 as highest
    from tidings.counts
    where target = 'comment:' || c.id
    order by position desc
    limit 1
) as n
where c.parent_id is null and n.likes > 0;

-- The events as readers get them: see 0002_log.sql. But moderators get the text of a comment that
-- is not published, which the view does not have: a role with rights on the view only may not read
-- that. Of a post, the log has no title, address, author and lock.
create or replace view tidings.log as
select
    e.position, e.topic, e.name,
    case
        when e.name in ('new-comment', 'comment-updated') and e.comment_id is not null then
            e.data || coalesce((
                select jsonb_build_object(
                    'author', jsonb_build_object(
                        'id', c.author_id,
                        'name', coalesce(u.shown -> 'name', to_jsonb(c.author_id)),
                        'avatarUrl', u.shown -> 'avatar_url'),
                    'body', c.shown -> 'body',
                    'status', c.shown -> 'status',
                    'editedAt', to_char((c.shown ->> 'edited_at')::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                    'version', c.shown -> 'version')
                from (
                    select author_id, to_jsonb(comments) as shown
                    from tidings.comments
                    where id = e.comment_id and status = 'published'
                    offset 0
                ) as c
                left join lateral (
                    select to_jsonb(users) as shown
                    from tidings.users
                    where users.id = c.author_id
                    offset 0
                ) as u on true
            ), '{"author": null, "body": "", "status": "deleted", "editedAt": null, "version": 1}')
        when e.name = 'moderation' and e.topic = 'site:moderation' and e.comment_id is not null then
            e.data || jsonb_build_object('comment', (e.data -> 'comment') || coalesce((
                select jsonb_build_object(
                    'author', jsonb_build_object(
                        'id', c.author_id,
                        'name', coalesce(u.shown -> 'name', to_jsonb(c.author_id)),
                        'avatarUrl', u.shown -> 'avatar_url'),
                    'body', c.shown -> 'body',
                    'status', c.shown -> 'status',
                    'editedAt', to_char((c.shown ->> 'edited_at')::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                    'version', c.shown -> 'version')
                from (
                    select author_id, to_jsonb(comments) as shown
                    from tidings.comments
                    where id = e.comment_id and status = 'published'
                    offset 0
                ) as c
                left join lateral (
                    select to_jsonb(users) as shown
                    from tidings.users
                    where users.id = c.author_id
                    offset 0
                ) as u on true
            ), '{"author": null, "body": "", "status": "deleted", "editedAt": null, "version": 1}'))
        when e.name = 'post-updated' and e.topic like 'post:%' then
            e.data || coalesce((
                select jsonb_build_object(
                    'title', to_jsonb(posts) -> 'title',
                    'url', to_jsonb(posts) -> 'url',
                    'authorId', to_jsonb(posts) -> 'author_id',
                    'locked', to_jsonb(posts) -> 'locked')
                from tidings.posts
                where posts.id = e.data ->> 'id'
            ), '{"title": null, "url": null, "authorId": null, "locked": false}')
        when e.data ? 'actor' and (e.name = 'notification' or e.topic = 'tidings') then
            e.data || jsonb_build_object('actor', coalesce((
                select jsonb_build_object(
                    'id', users.id,
                    'name', to_jsonb(users) -> 'name',
                    'avatarUrl', to_jsonb(users) -> 'avatar_url')
                from tidings.users
                where users.id = e.data #>> '{actor,id}'
            ), jsonb_build_object(
                'id', e.data #> '{actor,id}',
                'name', e.data #> '{actor,id}',
                'avatarUrl', null)))
        else e.data
    end as data,
    e.comment_id, e.created_at
from tidings.events as e;

-- Replaced by functions with the root of a comment, and no function calls them any more.
drop function if exists tidings.comment_data(tidings.comments, bigint, bigint);
drop function if exists tidings.deleted_data(bigint, text, bigint, jsonb);
drop function if exists tidings.announce_comments(bigint[], text[], bigint[]);
drop function if exists tidings.withdraw_comments(bigint[], text[], bigint[]);
