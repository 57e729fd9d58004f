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
	return dropOthers(ctx, tx, functions)
}
