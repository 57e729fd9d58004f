package store

// visible is a condition for rows of comments that lists show. OFFSET 0 keeps Postgres from hashing
// the tombstones of all posts.
const visible = `(c.status = 'published' or exists (select from tidings.tombstones where tombstones.id = c.id offset 0))`

// These statements select a page: the number of each comment in the order of the page, and its
// id. A page begins after the key ($3, $4), not after a number of rows, so that new comments do
// not shift it. $1 is the viewer, $2 the post (or comment), $5 the number of comments, and $6 how
// many replies each has. Pinned comments begin after the key ($7, $8). There is a statement for each order: with a parameter for the order,
// Postgres would not use an index. The parameters of the key and of LIMIT are in subselects for the
// reason that eventsQuery has: to make a plan takes as long as to run it.
const (
	unpinned = `c.parent_id is null and (c.pinned_at is null or c.status <> 'published')`

	highestRank, highestID = `2147483647`, `9223372036854775807`

	// The key, or on the first page one that is before or after all others.
	latestKey   = `((select coalesce($3::timestamptz, 'infinity')), (select coalesce($4::bigint, ` + highestID + `)))`
	earliestKey = `((select coalesce($3::timestamptz, '-infinity')), (select coalesce($4::bigint, 0)))`

	pinnedRoots = `
		select row_number() over (order by pinned_at desc, id desc) as n, id
		from tidings.comments c
		where post_id = $2 and pinned_at is not null and status = 'published'
			and (pinned_at, id) < ((select coalesce($7::timestamptz, 'infinity')), (select coalesce($8::bigint, ` + highestID + `)))
		order by pinned_at desc, id desc
		limit (select $5::integer)`

	newestRoots = `
		select row_number() over (order by created_at desc, id desc) as n, id
		from tidings.comments c
		where post_id = $2 and ` + unpinned + ` and ` + visible + `
			and (created_at, id) < ` + latestKey + `
		order by created_at desc, id desc
		limit (select $5::integer)`

	oldestRoots = `
		select row_number() over (order by created_at, id) as n, id
		from tidings.comments c
		where post_id = $2 and ` + unpinned + ` and ` + visible + `
			and (created_at, id) > ` + earliestKey + `
		order by created_at, id
		limit (select $5::integer)`

	// The first WITH has the liked roots of the page: see the table ranks. WITH TIES adds those that
	// are equal by rank and tie, because their order is that of their likes. The second has roots
	// without likes, if the page has room for them.
	topRoots = `
		with liked as materialized (
			select c.id, n.likes
			from tidings.ranks
			cross join lateral (select * from tidings.comments where comments.id = ranks.id offset 0) as c
			cross join lateral (
				select likes
				from tidings.counts
				where target = 'comment:' || ranks.id
				order by position desc
				limit 1
			) as n
			where ranks.post_id = $2 and ` + unpinned + ` and ` + visible + `
				and (ranks.rank, ranks.tie) <= (
					(select coalesce(tidings.rank_of($3::bigint), ` + highestRank + `)),
					(select case when $3 < 64 then $4::bigint else ` + highestID + ` end))
				and (n.likes, c.id) < ((select coalesce($3, ` + highestID + `)), (select coalesce($4, ` + highestID + `)))
			order by ranks.rank desc, ranks.tie desc
			fetch first (select $5::integer) rows with ties
		),
		others as materialized (
			select id
			from tidings.comments c
			where (select count(*) from liked) < (select $5)
				and post_id = $2 and ` + unpinned + ` and ` + visible + `
				and not exists (select from tidings.ranks where ranks.id = c.id offset 0)
				and id < (select case when $3 = 0 then $4 else ` + highestID + ` end)
			order by id desc
			limit (select $5::integer)
		)
		select row_number() over (order by likes desc, id desc) as n, id
		from (select id, likes from liked union all select id, 0 from others) as root
		order by likes desc, id desc
		limit (select $5::integer)`

	newestFlat = `
		select row_number() over (order by created_at desc, id desc) as n, id
		from tidings.comments c
		where post_id = $2 and ` + visible + `
			and (created_at, id) < ` + latestKey + `
		order by created_at desc, id desc
		limit (select $5::integer)`

	oldestFlat = `
		select row_number() over (order by created_at, id) as n, id
		from tidings.comments c
		where post_id = $2 and ` + visible + `
			and (created_at, id) > ` + earliestKey + `
		order by created_at, id
		limit (select $5::integer)`

	threadReplies = `
		select row_number() over (order by created_at, id) as n, id
		from tidings.comments c
		where root_id = $2::bigint and ` + visible + `
			and (created_at, id) > ` + earliestKey + `
		order by created_at, id
		limit (select $5::integer)`

	// Each status is a range of the index comments_by_parent, by time.
	directReplies = `
		select row_number() over (order by created_at, id) as n, id
		from unnest(array['published', 'pending', 'rejected', 'spam', 'deleted']) as of (status)
		cross join lateral (
			select id, created_at
			from tidings.comments c
			where parent_id = $2::bigint and post_id = (select post_id from tidings.comments where id = $2::bigint)
				and c.status = of.status and ` + visible + `
				and (created_at, id) > ` + earliestKey + `
			order by created_at, id
			limit (select $5::integer)
		) as reply
		order by created_at, id
		limit (select $5::integer)`
)

// pageOf returns the statement for the comments of a list. Pinned comments are before the others.
func pageOf(q ListQuery) string {
	if q.hasPinned() {
		return `
		select n - ` + highestID + ` as n, id
		from (` + pinnedRoots + `) as pinned
		union all
		select n, id
		from (` + unpinnedOf(q) + `) as other`
	}
	return unpinnedOf(q)
}

// unpinnedOf returns the statement for the comments of a list that are not pinned.
func unpinnedOf(q ListQuery) string {
	switch {
	case q.Flat && q.Sort == Oldest:
		return oldestFlat
	case q.Flat:
		return newestFlat
	case q.Sort == Oldest:
		return oldestRoots
	case q.Sort == Top:
		return topRoots
	}
	return newestRoots
}
