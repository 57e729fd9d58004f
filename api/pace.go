package api

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	// paceBytes is the size of the parts in which an answer is written, each under a
	// deadline.
	paceBytes = 16 << 10
	// paceEach is what each part adds to the longest duration of an answer.
	paceEach = time.Second
)

// pace is the middleware that cuts clients that do not read their answers: those that take
// nothing for the patience of the hub (10 s), and those that take longer than that plus a
// second for each 16 KiB. Streams have their own deadlines: see streamWriter.
func (s *Server) pace(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		w := &pacedWriter{ResponseWriter: c.Response().Writer, patience: s.hub.Patience()}
		c.Response().Writer = w
		err := next(c)
		if err == nil && !c.Response().Committed { // net/http then writes the header
			w.extend(0)
		}
		return err
	}
}

// A pacedWriter writes an answer under deadlines.
type pacedWriter struct {
	http.ResponseWriter
	patience time.Duration
	most     time.Time // the deadline of the whole answer, as far as it is written
}

// Unwrap is for [http.ResponseController].
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (w *pacedWriter) WriteHeader(status int) {
	w.extend(0)
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *pacedWriter) Write(b []byte) (written int, err error) {
	for {
		part := b[:min(len(b), paceBytes)]
		w.extend(len(part))
		n, err := w.ResponseWriter.Write(part)
		written += n
		if b = b[len(part):]; err != nil || len(b) == 0 {
			return written, err //nolint:wrapcheck // net/http's own error is expected here
		}
	}
}

// extend sets the deadline of the next n bytes. The deadline stays for what net/http
// writes after the handler; clearDeadline removes it before the next request.
func (w *pacedWriter) extend(n int) {
	now := time.Now()
	if w.most.IsZero() {
		w.most = now.Add(w.patience)
	}
	w.most = w.most.Add(paceEach * time.Duration(n) / paceBytes)
	by := now.Add(w.patience)
	if by.After(w.most) {
		by = w.most
	}
	// Only writers of tests have no deadlines.
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(by)
}

// unpaced returns the writer below a pacedWriter, for streams.
func unpaced(w http.ResponseWriter) http.ResponseWriter {
	if paced, ok := w.(*pacedWriter); ok {
		return paced.ResponseWriter
	}
	return w
}

// clearDeadline removes the write deadline that an answer has left on its connection.
func clearDeadline(conn net.Conn) error {
	if err := conn.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("remove write deadline: %w", err)
	}
	return nil
}
