package store

import (
	"context"
	"errors"
	"fmt"
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
	// ErrTicket: the ticket was used, has expired or never was.
	ErrTicket = errors.New("ticket is not valid")
	// ErrUnavailable: the database cannot be reached or is starting or stopping.
	ErrUnavailable = errors.New("database is unavailable")
)

// An InvalidError is a value that the schema refuses.
type InvalidError struct {
	Constraint string // its name, empty when a function refused
	Detail     string // for people
}

func (e *InvalidError) Error() string { return e.Detail }

// translate turns what Postgres and its driver say into the errors of this package.
func translate(err error) error {
	var pg *pgconn.PgError
	var refused *pgconn.ConnectError
	var network net.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &pg):
		return translateCode(pg)
	case errors.As(err, &refused), errors.As(err, &network), errors.Is(err, context.DeadlineExceeded), pgconn.SafeToRetry(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func translateCode(pg *pgconn.PgError) error {
	switch {
	case pg.Code == pgerrcode.CheckViolation:
		return &InvalidError{Constraint: pg.ConstraintName, Detail: pg.Message}
	case pg.Code == pgerrcode.InvalidParameterValue:
		return &InvalidError{Detail: pg.Message + ". " + pg.Hint}
	case pg.Code == pgerrcode.UntranslatableCharacter, pg.Code == pgerrcode.CharacterNotInRepertoire:
		return &InvalidError{Detail: "text holds a character that cannot be stored"}
	case pgerrcode.IsOperatorIntervention(pg.Code), pgerrcode.IsConnectionException(pg.Code),
		pgerrcode.IsInsufficientResources(pg.Code), pg.Code == pgerrcode.ReadOnlySQLTransaction:
		return fmt.Errorf("%w: %w", ErrUnavailable, pg)
	}
	return pg
}
