package store

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// noteUsers stores users as their tokens describe them, and returns their rows as they
// were before, and those that it has written. A token changes a row only by what it has:
// without a name it keeps the name, without an avatar the avatar. It changes nothing if a
// token that was not issued earlier has described the user before.
//
// Only rows that change are written: an upsert locks each row that it finds, and users
// that write often would wait for one another.
const noteUsers = `
	with given as materialized (
		select g.id, g.name, g.avatar_url, g.issued_at,
			u.id is not null as known, u.name as old_name, u.avatar_url as old_avatar_url,
			u.id is null
			or (u.token_issued_at is null or g.issued_at > u.token_issued_at)
				and (
					coalesce(g.name, u.name) <> u.name
					or coalesce(g.avatar_url, u.avatar_url) is distinct from u.avatar_url
				) as changes
		from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as g (id, name, avatar_url, issued_at)
		left join tidings.users u on u.id = g.id
	),
	written as (
		insert into tidings.users as u (id, name, avatar_url, token_issued_at)
		select id, coalesce(name, left(id, 200)), avatar_url, issued_at
		from given
		where changes
		order by id
		on conflict (id) do update
		set name = coalesce((select given.name from given where given.id = u.id), u.name),
			avatar_url = coalesce(excluded.avatar_url, u.avatar_url),
			token_issued_at = coalesce(excluded.token_issued_at, u.token_issued_at),
			updated_at = clock_timestamp()
		where u.token_issued_at is null or excluded.token_issued_at > u.token_issued_at
		returning id, name, avatar_url
	)
	select false, id, old_name, old_avatar_url
	from given
	where known
	union all
	select true, id, name, avatar_url
	from written`

// queueUsers stores the users of comments and likes, and sets the stored authors of the
// comments.
func queueUsers(batch *pgx.Batch, b writeBatch) {
	users := make(map[string]User)
	for _, w := range b.comments {
		users[w.Author.ID] = mergeUsers(users[w.Author.ID], w.Author)
	}
	for _, w := range b.likes {
		if !w.unlike {
			users[w.user.ID] = mergeUsers(users[w.user.ID], w.user)
		}
	}
	if len(users) == 0 {
		return
	}
	var ids []string
	var names, avatars []*string
	var issued []*time.Time
	for _, u := range users {
		ids, avatars = append(ids, u.ID), append(avatars, u.AvatarURL)
		names, issued = append(names, orNull(u.Name)), append(issued, orNull(u.Issued))
	}
	batch.Queue(noteUsers, ids, names, avatars, issued).Query(func(rows pgx.Rows) error {
		stored, written := make(map[string]User, len(users)), false
		var u User
		_, err := pgx.ForEachRow(rows, []any{&written, &u.ID, &u.Name, &u.AvatarURL}, func() error {
			if _, found := stored[u.ID]; written || !found {
				stored[u.ID] = u
			}
			return nil
		})
		for _, w := range b.comments {
			w.author = stored[w.Author.ID]
		}
		return err
	})
}

// mergeUsers returns what two tokens say about a user: the later one, and from the other
// what it lacks. The zero User says nothing. Of two tokens of the same time, b counts as
// the later one.
func mergeUsers(a, b User) User {
	if b.Issued.Before(a.Issued) {
		a, b = b, a
	}
	if b.Name == "" {
		b.Name = a.Name
	}
	if b.AvatarURL == nil {
		b.AvatarURL = a.AvatarURL
	}
	return b
}

// orNull returns nil for the zero value.
func orNull[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
