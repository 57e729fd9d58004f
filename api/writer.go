package api

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

// A streamWriter writes to a response that cannot be taken over. It flushes each write.
type streamWriter struct {
	w        http.ResponseWriter
	ctl      *http.ResponseController
	patience time.Duration // how long one write may take; the client is cut after that
}

// newStreamWriter returns a writer for w, which must be the innermost writer: that of Echo
// hides the error of a flush to a client that is gone.
func newStreamWriter(w http.ResponseWriter, patience time.Duration) *streamWriter {
	return &streamWriter{w: w, ctl: http.NewResponseController(w), patience: patience}
}

// write sends the bytes under a deadline and removes the deadline afterwards, because HTTP/2
// resets an idle stream when a deadline passes.
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
