package main

import (
	"bytes"
	"regexp"
	"sync"
	"testing"
	"time"
)

// lines keeps everything that was written to it, and lets tests wait for text. It may be
// used from any goroutine.
type lines struct {
	mu     sync.Mutex // guards the fields below
	text   bytes.Buffer
	grown  chan struct{} // closed by the next write
	closed bool
}

func newLines() *lines { return &lines{grown: make(chan struct{})} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.grown)
	l.grown = make(chan struct{})
	return l.text.Write(b)
}

// Close ends the text: await fails if no match has come by then.
func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	close(l.grown)
	l.grown = make(chan struct{})
	return nil
}

func (l *lines) String() string {
	text, _, _ := l.look()
	return text
}

func (l *lines) look() (text string, grown <-chan struct{}, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String(), l.grown, l.closed
}

// await waits for a match of the pattern and returns its last group.
func (l *lines) await(t *testing.T, pattern *regexp.Regexp) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		text, grown, closed := l.look()
		if found := pattern.FindStringSubmatch(text); found != nil {
			return found[len(found)-1]
		}
		if closed {
			t.Fatalf("ended without %q:\n%s", pattern, text)
		}
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("no %q within %v:\n%s", pattern, patience, text)
		}
	}
}
