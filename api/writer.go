package api

import (
	"errors"
	"fmt"
	"net/http"
	"os"
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
//
// The error is [os.ErrDeadlineExceeded] if the deadline has passed: HTTP/2 then reports
// only that the stream is closed.
func (s *streamWriter) write(b []byte) error {
	by := time.Now().Add(s.patience)
	if err := s.deadline(by); err != nil {
		return err
	}
	err := s.writeAndFlush(b)
	switch {
	case err != nil && !time.Now().Before(by):
		return errors.Join(err, os.ErrDeadlineExceeded)
	case err != nil:
		return err
	}
	return s.deadline(time.Time{})
}

func (s *streamWriter) writeAndFlush(b []byte) error {
	if _, err := s.w.Write(b); err != nil {
		return fmt.Errorf("write to stream: %w", err)
	}
	if err := s.ctl.Flush(); err != nil {
		return fmt.Errorf("flush stream: %w", err)
	}
	return nil
}

func (s *streamWriter) deadline(t time.Time) error {
	if err := s.ctl.SetWriteDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set write deadline: %w", err)
	}
	return nil
}
