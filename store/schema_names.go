package store

import (
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

// Names of the schema that this package looks for in errors. A test checks that the
// schema has them.
const (
	// parentConstraint is violated when the parent of a reply is deleted before the commit.
	parentConstraint = "comments_parent_in_same_post"
	// commentPostKey and likePostKey are violated when the post is deleted meanwhile.
	commentPostKey = "comments_post_id_fkey"
	likePostKey    = "likes_post_id_fkey"
	// likeCommentKey is violated when the comment is deleted meanwhile.
	likeCommentKey = "likes_comment_in_post"
	// commentKey and notificationKey are violated when rows were imported with ids that
	// the sequence of the table has not passed yet.
	commentKey      = "comments_pkey"
	notificationKey = "notifications_pkey"
)

// isTargetKey reports whether a constraint is violated when what is commented on or liked was
// deleted meanwhile.
func isTargetKey(constraint string) bool {
	return constraint == commentPostKey || constraint == likePostKey || constraint == likeCommentKey
}

func isIDKey(constraint string) bool {
	return constraint == commentKey || constraint == notificationKey
}

// isPublishRefusal reports whether tidings.publish has refused a value. It raises
// invalid_parameter_value with a hint for the caller. Functions of Postgres itself raise
// that code without a hint.
func isPublishRefusal(pg *pgconn.PgError) bool {
	return pg.Code == pgerrcode.InvalidParameterValue && pg.Hint != ""
}

// isSignalTooLarge reports whether tidings.signal has refused the size of data. It raises
// program_limit_exceeded with a hint for the caller, which Postgres itself raises without one.
func isSignalTooLarge(pg *pgconn.PgError) bool {
	return pg.Code == pgerrcode.ProgramLimitExceeded && pg.Hint != ""
}
