package migrations

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// applyFunctions makes the functions and triggers of the database those of a release.
func applyFunctions(ctx context.Context, tx pgx.Tx, functions []function) error {
	// The order of the files is not that of the calls: a function may be created before
	// one that it calls.
	if _, err := tx.Exec(ctx, `set local check_function_bodies = off`); err != nil {
		return err
	}
	for _, f := range functions {
		if _, err := tx.Exec(ctx, f.create); err != nil {
			return located("functions/"+f.name+".sql", f.create, err)
		}
	}
	for _, f := range functions {
		for _, t := range f.triggers {
			if err := t.install(ctx, tx); err != nil {
				return fmt.Errorf("functions/%s.sql: trigger %s on tidings.%s: %w", f.name, t.name, t.table, err)
			}
		}
	}
	if err := dropOthers(ctx, tx, functions); err != nil {
		return err
	}
	return revoke(ctx, tx)
}

// revoke takes the functions from PUBLIC, which may execute every new function by
// default, and after a restore with --no-acl. Roles that need a function get it by GRANT:
//
//	grant usage on schema tidings to app;
//	grant insert (post_id, parent_id, author_id, body) on tidings.comments to app;
//	grant execute on function tidings.publish to app;
func revoke(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `revoke all on all functions in schema tidings from public`)
	return err
}

// isPublic reports whether PUBLIC may execute a function of the schema that we can
// revoke from it.
func isPublic(ctx context.Context, conn *pgx.Conn) (public bool, err error) {
	err = conn.QueryRow(ctx, `
		select exists (
			select
			from pg_proc
			cross join lateral aclexplode(coalesce(proacl, acldefault('f', proowner)))
			where pronamespace = to_regnamespace('tidings')
				and grantee = 0
				and grantor = proowner
				and pg_has_role(proowner, 'usage')
		)`).Scan(&public)
	return public, err
}
