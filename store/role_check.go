package store

import (
	"context"
	"errors"
)

// CheckOwner returns an error if the role of this connection does not own the schema:
// REASSIGN OWNED or a restore has given it to another role.
func (s *Store) CheckOwner(ctx context.Context) error {
	return s.wantTrue(ctx, "connect as the owner of the schema tidings, or make this role the owner with REASSIGN OWNED", `
		select coalesce(bool_and(pg_catalog.pg_has_role(relowner, 'usage')), true)
		from pg_catalog.pg_class
		join pg_catalog.pg_namespace n on n.oid = relnamespace
		where nspname = 'tidings' and relname = 'events'`) // to_regclass needs a right on the schema
}

// CheckTriggers returns an error if the triggers of the schema do not fire in our sessions,
// because a superuser has set session_replication_role for the role or the database.
func (s *Store) CheckTriggers(ctx context.Context) error {
	return s.wantTrue(ctx, "session_replication_role must be origin: ALTER ROLE … RESET session_replication_role",
		`select pg_catalog.current_setting('session_replication_role') <> 'replica'`)
}

// wantTrue returns an error with the advice if a query returns false.
func (s *Store) wantTrue(ctx context.Context, advice, sql string) error {
	var good bool
	if err := s.read(ctx, rowQuery([]any{&good}, sql)); err != nil {
		return err
	}
	if !good {
		return errors.New(advice)
	}
	return nil
}
