package store

import (
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

// Names of the schema that this package looks for in errors. A test checks that the
// schema has them.
const (
	// idempotencyKeyConstraint is violated when another transaction has just committed a
	// comment with the same idempotency key.
	idempotencyKeyConstraint = "idempotency_pkey"
	// parentConstraint is violated when the parent of a reply is deleted before the commit.
	parentConstraint = "comments_parent_in_same_post"
)

// isPublishRefusal reports whether tidings.publish has refused a value. It raises
// invalid_parameter_value with a hint for the caller. Functions of Postgres itself raise
// that code without a hint.
func isPublishRefusal(pg *pgconn.PgError) bool {
	return pg.Code == pgerrcode.InvalidParameterValue && pg.Hint != ""
}
