package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A coded error has a SQLSTATE, as the errors of Postgres have.
type coded string

func (c coded) Error() string    { return "ERROR (SQLSTATE " + string(c) + ")" }
func (c coded) SQLState() string { return string(c) }

// refused is the error of a connection from a port that changes.
func refused(port int) error {
	return fmt.Errorf("connect: %w", &net.OpError{Op: "dial", Net: "tcp", Source: &net.TCPAddr{Port: port}, Err: io.ErrUnexpectedEOF})
}

func TestWork_LogsEachCauseOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := New(slog.New(slog.NewTextHandler(&log, nil)), "it fails", "it works")
		lines := func(text string) int { return strings.Count(log.String(), text) }

		w.Note(t.Context(), nil)
		streamtest.Want(t, "the log of a success", log.String(), "")
		for port := range 100 {
			w.Note(t.Context(), fmt.Errorf("attempt %d: %w", port, coded("42501")))
			w.Note(t.Context(), refused(port))
		}
		streamtest.Want(t, "lines of two causes", lines("it fails"), 2)
		streamtest.Want(t, "failures", w.Failures(), int64(200))
		streamtest.WantErr(t, w.Err(), io.ErrUnexpectedEOF)

		w.Note(t.Context(), nil)
		w.Note(t.Context(), nil)
		streamtest.Want(t, "lines of the first success", lines("it works"), 1)
		streamtest.Want(t, "the error after a success", w.Err(), nil)

		for range 100 { // an outage that comes and goes
			w.Note(t.Context(), coded("42501"))
			w.Note(t.Context(), nil)
		}
		streamtest.Want(t, "lines of the same cause again", lines("it fails"), 2)
		streamtest.Want(t, "lines of a success whose failure was not logged", lines("it works"), 1)

		<-time.After(quiet)
		w.Note(t.Context(), coded("42501"))
		streamtest.Want(t, "lines of the same cause, a minute later", lines("it fails"), 3)
	})
}

func TestCause(t *testing.T) {
	t.Parallel()
	below := fmt.Errorf("read: %w", errors.Join(errors.New("x"), coded("57014")))
	streamtest.Want(t, "the cause below other errors", cause(below), "57014")
	streamtest.Want(t, "the causes of two ports are one", cause(refused(1)) == cause(refused(2)), true)
	streamtest.Want(t, "the causes of a lost and a refused connection are one",
		cause(refused(1)) == cause(&net.DNSError{Name: "db"}), false)
}
