package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestTranslate(t *testing.T) {
	t.Parallel()

	other := errors.New("other")
	for _, test := range []struct {
		err, want error
	}{
		{pgx.ErrNoRows, ErrNotFound},
		{fmt.Errorf("wrapped: %w", pgx.ErrNoRows), ErrNotFound},
		{ErrNotAuthor, ErrNotAuthor},
		{other, other},
		{context.Canceled, context.Canceled},
		{context.DeadlineExceeded, ErrUnavailable},
		{io.ErrUnexpectedEOF, ErrUnavailable},
		{&net.OpError{Op: "read", Err: other}, ErrUnavailable},
		{errors.Join(&pgconn.ConnectError{}, &pgconn.PgError{Code: "28P01"}), ErrUnavailable}, // invalid_password
		{&pgconn.PgError{Code: "57P01"}, ErrUnavailable},                                      // admin_shutdown
		{&pgconn.PgError{Code: "57P03"}, ErrUnavailable},                                      // cannot_connect_now
		{&pgconn.PgError{Code: "08006"}, ErrUnavailable},                                      // connection_failure
		{&pgconn.PgError{Code: "53300"}, ErrUnavailable},                                      // too_many_connections
		{&pgconn.PgError{Code: "25006"}, ErrUnavailable},                                      // read_only_sql_transaction
		{&pgconn.PgError{Code: "55P03"}, ErrBusy},                                             // lock_not_available
		{&pgconn.PgError{Code: "40P01"}, ErrBusy},                                             // deadlock_detected
		{&pgconn.PgError{Code: "40001"}, ErrBusy},                                             // serialization_failure
		{&pgconn.PgError{Code: "23503", ConstraintName: "comments_parent_in_same_post"}, ErrNoParent},
		{&pgconn.PgError{Code: "23503", ConstraintName: "comments_post_id_fkey"}, ErrNotFound},
	} {
		if got := translate(test.err); !errors.Is(got, test.want) {
			t.Errorf("translate(%v) = %v, want %v", test.err, got, test.want)
		}
	}
	if translate(nil) != nil {
		t.Error("no error becomes one")
	}
	bug := &pgconn.PgError{Code: "42P01"} // undefined_table
	if got := translate(bug); errors.Is(got, ErrUnavailable) || !errors.Is(got, bug) {
		t.Errorf("translate(%v) = %v, want it as it is", bug, got)
	}
}
