package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// A streamWriter writes whole blocks and flushes each.
type streamWriter struct {
	w        http.ResponseWriter
	ctl      *http.ResponseController
	patience time.Duration // with one write: a reader who takes longer is cut, and resumes from its cursor
}

// newStreamWriter takes the innermost writer: Echo's hides the error of a flush to a
// dead client.
func newStreamWriter(w http.ResponseWriter, patience time.Duration) *streamWriter {
	return &streamWriter{w: w, ctl: http.NewResponseController(w), patience: patience}
}

// write sends the bytes under a deadline, and takes it away again: HTTP/2 would
// reset an idle stream when it passes.
func (s *streamWriter) write(b []byte) error {
	if err := s.deadline(time.Now().Add(s.patience)); err != nil {
		return err
	}
	if _, err := s.w.Write(b); err != nil {
		return fmt.Errorf("write to stream: %w", err)
	}
	if err := s.ctl.Flush(); err != nil {
		return fmt.Errorf("flush stream: %w", err)
	}
	return s.deadline(time.Time{})
}

func (s *streamWriter) deadline(t time.Time) error {
	if err := s.ctl.SetWriteDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set write deadline: %w", err)
	}
	return nil
}
