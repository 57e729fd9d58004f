package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// A User is somebody of the site, as the token or the row last said.
type User struct {
	ID        string
	Name      string
	AvatarURL *string
}

// noteUser keeps what the token says of a user. The row is looked at first: an
// upsert would lock it, and queue a user's own writes behind one another.
func noteUser(ctx context.Context, tx pgx.Tx, u User) error {
	_, err := tx.Exec(ctx, `
		insert into tidings.users (id, name, avatar_url)
		select $1, $2, $3
		where not exists (
			select from tidings.users
			where id = $1 and name = $2 and avatar_url is not distinct from $3
		)
		on conflict (id) do update
		set name = excluded.name,
			avatar_url = excluded.avatar_url,
			updated_at = clock_timestamp()`,
		u.ID, u.Name, u.AvatarURL)
	return err
}
