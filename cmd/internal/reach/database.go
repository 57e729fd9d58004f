package reach

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Database makes one request to a database. Its error names the database without its
// password, unless ctx ended, and wraps the error of the request.
func Database(ctx context.Context, cfg *pgx.ConnConfig, request func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	err := request(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("%s does not answer within %v: %w", Name(cfg), Limit, err)
	}
	return fmt.Errorf("%s: %w", Name(cfg), err)
}

// Name names a database for messages, without its password.
func Name(cfg *pgx.ConnConfig) string {
	return fmt.Sprintf("the database %q at %s:%d", cfg.Database, cfg.Host, cfg.Port)
}
