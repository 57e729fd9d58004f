package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Sentinels that callers can act on.
var (
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrNotAuthor: the comment is somebody else's.
	ErrNotAuthor = errors.New("not the author")
	// ErrPostLocked: the post takes no comments.
	ErrPostLocked = errors.New("post is locked")
	// ErrNoParent: the comment replied to is not there, not visible or of another post.
	ErrNoParent = errors.New("no such comment to reply to")
	// ErrInFlight: the first request with the idempotency key has no outcome yet.
	ErrInFlight = errors.New("a request with this idempotency key is in flight")
	// ErrKeyReused: the idempotency key was for another comment.
	ErrKeyReused = errors.New("idempotency key was used for another request")
	// ErrBusy: too many writes wait, or the row is held by somebody for long. Nothing
	// was written; try again.
	ErrBusy = errors.New("too busy to write")
	// ErrTicket: the ticket was used, has expired or never was.
	ErrTicket = errors.New("ticket is not valid")
	// ErrUnavailable: the database cannot be reached, is starting or stopping, or did
	// not answer in time. Whether a write was committed is then unknown.
	ErrUnavailable = errors.New("database is unavailable")
)

// An InvalidError is a value that the schema refuses.
type InvalidError struct {
	Constraint string // its name, empty when a function refused
	Detail     string // for people
}

// Error is the detail.
func (e *InvalidError) Error() string { return e.Detail }

// translate turns what Postgres and its driver say into the errors of this package.
func translate(err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case unreachable(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.As(err, &pg):
		return translateCode(pg)
	}
	return err
}

// unreachable reports whether a connection was not made, was lost, or said nothing in
// time. Whatever Postgres has against a new connection, its own words among it, is
// for the operator: no caller can do anything about it.
func unreachable(err error) bool {
	var refused *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &refused) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err)
}

func translateCode(pg *pgconn.PgError) error {
	switch {
	case pg.Code == pgerrcode.LockNotAvailable, pg.Code == pgerrcode.DeadlockDetected, pg.Code == pgerrcode.SerializationFailure:
		return fmt.Errorf("%w: %w", ErrBusy, pg)
	case pg.ConstraintName == "comments_parent_in_same_post": // it went away meanwhile
		return ErrNoParent
	case pg.Code == pgerrcode.ForeignKeyViolation: // as did the post
		return ErrNotFound
	case pg.Code == pgerrcode.CheckViolation, pg.Code == pgerrcode.RaiseException: // by a trigger of the site
		return &InvalidError{Constraint: pg.ConstraintName, Detail: pg.Message}
	case pg.Code == pgerrcode.InvalidParameterValue && pg.Hint != "": // tidings.publish
		return &InvalidError{Detail: pg.Message + ". " + pg.Hint}
	case pg.Code == pgerrcode.UntranslatableCharacter, pg.Code == pgerrcode.CharacterNotInRepertoire:
		return &InvalidError{Detail: "text holds a character that cannot be stored"}
	case pgerrcode.IsDataException(pg.Code), pgerrcode.IsProgramLimitExceeded(pg.Code):
		return &InvalidError{Detail: pg.Message} // our SQL does not vary: the value is at fault
	case pgerrcode.IsOperatorIntervention(pg.Code), pgerrcode.IsConnectionException(pg.Code),
		pgerrcode.IsInsufficientResources(pg.Code), pg.Code == pgerrcode.ReadOnlySQLTransaction:
		return fmt.Errorf("%w: %w", ErrUnavailable, pg)
	}
	return pg
}
