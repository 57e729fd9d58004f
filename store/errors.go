package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidings-live/tidings/store/group"
)

// Errors that callers can act on.
var (
	// ErrNotFound: no such row exists.
	ErrNotFound = errors.New("not found")
	// ErrNotAuthor: another user has written the comment.
	ErrNotAuthor = errors.New("not the author")
	// ErrTooLate: the time in which an author may edit a comment is over.
	ErrTooLate = errors.New("the time to edit the comment is over")
	// ErrVersion: the comment has another version by now.
	ErrVersion = errors.New("the comment has another version")
	// ErrPostLocked: the post takes no comments.
	ErrPostLocked = errors.New("post is locked")
	// ErrNoParent: the comment to reply to does not exist, is not visible, or belongs to
	// another post.
	ErrNoParent = errors.New("no such comment to reply to")
	// ErrInFlight: the first request with the idempotency key has no outcome yet.
	ErrInFlight = errors.New("a request with this idempotency key is in flight")
	// ErrKeyReused: the idempotency key was used for another comment.
	ErrKeyReused = errors.New("idempotency key was used for another request")
	// ErrBusy: too many writes wait, or a row stayed locked for 10 s. Nothing was
	// written. The caller may try again.
	ErrBusy = errors.New("too busy to write")
	// ErrTicket: the ticket was used, has expired, or never existed.
	ErrTicket = errors.New("ticket is not valid")
	// ErrReadOnly: the database takes no writes for now (default_transaction_read_only).
	// Reading goes on. It also is ErrUnavailable.
	ErrReadOnly = fmt.Errorf("the database is read-only for now: %w", ErrUnavailable)
	// ErrDiskFull: the database has no space left. It also is ErrUnavailable.
	ErrDiskFull = fmt.Errorf("the database has no space left on its disk: %w", ErrUnavailable)
	// ErrNoConnection: the server, the database or the role has no connection left. It also
	// is ErrUnavailable.
	ErrNoConnection = fmt.Errorf("the database has no free connection: %w", ErrUnavailable)
	// ErrNoRights: the role of the database URL lacks a right, because the schema has another
	// owner or because CONNECT was revoked. It also is ErrUnavailable.
	ErrNoRights = fmt.Errorf("the role lacks rights in the database: %w", ErrUnavailable)
	// ErrTooLarge: the data of an ephemeral event is longer than a signal can be.
	ErrTooLarge = errors.New("data is too large for a signal")
	// ErrUnavailable: the database cannot be reached, is starting or stopping, or did
	// not answer in time. Whether a write was committed is then unknown.
	ErrUnavailable = errors.New("database is unavailable")
)

// An InvalidError is a value that the schema refuses.
type InvalidError struct {
	Constraint string // name of the violated constraint; empty when a function refused
	Detail     string // a sentence for people
	cause      error  // of Postgres
}

// Error returns the detail.
func (e *InvalidError) Error() string { return e.Detail }

// Unwrap returns the error of Postgres, if there is one.
func (e *InvalidError) Unwrap() error { return e.cause }

// SQLState is the SQLSTATE of Postgres's error in err, or "" if there is none.
func SQLState(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return ""
	}
	return pg.Code
}

// translate turns errors of Postgres, its driver and package group into the errors of
// this package. Other errors, and context.Canceled, stay as they are.
func translate(err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case errors.Is(err, group.ErrBusy):
		return ErrBusy
	case errors.As(err, &pg) && noConnection(pg):
		return fmt.Errorf("%w: %w", ErrNoConnection, err)
	case errors.As(err, &pg) && pg.Code == pgerrcode.InsufficientPrivilege && siteRefusal(pg) == nil:
		return fmt.Errorf("%w: %w", ErrNoRights, err)
	case errors.Is(err, group.ErrClosed), unreachable(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.As(err, &pg):
		return translateCode(pg)
	}
	return err
}

// unreachable reports whether a connection could not be made, was lost, or did not answer
// in time. All errors of connecting count, also those that Postgres reports (a wrong
// password), because only the operator can correct them.
func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err)
}

// noConnection reports whether Postgres or PgBouncer has refused a connection because all
// are in use. A trigger of the site may raise the same codes, which is a refusal of the write.
func noConnection(pg *pgconn.PgError) bool {
	refused := pg.Code == pgerrcode.TooManyConnections ||
		pg.Code == pgerrcode.ProtocolViolation && strings.HasPrefix(pg.Message, "no more connections allowed")
	return refused && siteRefusal(pg) == nil
}

// IsPassing reports whether err, which may come from another package that uses Postgres,
// is of a database that is not up yet, starts, stops, has no free connection, or is
// read-only. A wrong address of a server counts, too: it looks like one that is not up. A
// refused login or an unknown database does not.
func IsPassing(err error) bool {
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == pgerrcode.ProtocolViolation: // PgBouncer's code for all its errors
		return !strings.HasPrefix(pg.Message, "unsupported startup parameter") && !strings.HasPrefix(pg.Message, "no such")
	case errors.As(err, &connect) && errors.As(err, &pg) && pg.Code == pgerrcode.ObjectNotInPrerequisiteState:
		return true // the database takes no connections for now, for example while a provider copies it
	case errors.As(err, &pg):
		return passing(pg.Code)
	case errors.As(err, &connect), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return true
	}
	var network net.Error
	return errors.As(err, &network)
}

func translateCode(pg *pgconn.PgError) error {
	if refusal := siteRefusal(pg); refusal != nil {
		return refusal
	}
	switch {
	case pg.Code == pgerrcode.LockNotAvailable, pg.Code == pgerrcode.DeadlockDetected, pg.Code == pgerrcode.SerializationFailure:
		return fmt.Errorf("%w: %w", ErrBusy, pg)
	case pg.ConstraintName == parentConstraint: // the parent was deleted meanwhile
		return ErrNoParent
	case pg.Code == pgerrcode.ForeignKeyViolation && isTargetKey(pg.ConstraintName): // it was deleted meanwhile
		return ErrNotFound
	case pg.Code == pgerrcode.UniqueViolation && isIDKey(pg.ConstraintName):
		return fmt.Errorf("%w: %w", ErrBusy, pg) // the sequence has been moved forward since
	case pgerrcode.IsIntegrityConstraintViolation(pg.Code), pg.Code == pgerrcode.RaiseException: // also those that the site has added
		return &InvalidError{Constraint: pg.ConstraintName, Detail: pg.Message, cause: pg}
	case isSignalTooLarge(pg):
		return fmt.Errorf("%w: %s", ErrTooLarge, pg.Message)
	case isPublishRefusal(pg):
		return &InvalidError{Detail: pg.Message + ". " + pg.Hint}
	case pg.Code == pgerrcode.UntranslatableCharacter, pg.Code == pgerrcode.CharacterNotInRepertoire:
		return &InvalidError{Detail: "text holds a character that cannot be stored", cause: pg}
	case pgerrcode.IsDataException(pg.Code), pgerrcode.IsProgramLimitExceeded(pg.Code):
		return &InvalidError{Detail: pg.Message, cause: pg} // our SQL is constant, so a value is wrong
	case pg.Code == pgerrcode.ReadOnlySQLTransaction:
		return fmt.Errorf("%w: %w", ErrReadOnly, pg)
	case pg.Code == pgerrcode.DiskFull:
		return fmt.Errorf("%w: %w", ErrDiskFull, pg)
	case pgerrcode.IsOperatorIntervention(pg.Code), pgerrcode.IsConnectionException(pg.Code),
		pgerrcode.IsInsufficientResources(pg.Code), pgerrcode.IsSystemError(pg.Code),
		pg.Code == pgerrcode.InvalidSchemaName: // 58: I/O; the schema is not migrated yet
		return fmt.Errorf("%w: %w", ErrUnavailable, pg)
	}
	return pg
}
