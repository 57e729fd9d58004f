package client

import (
	"io"
	"time"
)

const (
	openLimit      = time.Minute     // Follow's silence limit until stream.ready announces a heartbeat
	heartbeatSlack = 5 * time.Second // added to two heartbeats
	maxHeartbeat   = 24 * 60 * 60    // seconds; a longer announced heartbeat sets no limit
)

// watch is a reader that calls cut when one read takes longer than limit. The time
// between two reads does not count. One goroutine uses a watch; cut is called on a
// goroutine of the timer.
type watch struct {
	r     io.Reader
	limit time.Duration // 0 means none
	cut   func()
	timer *time.Timer // nil until the first read with a limit
}

func newWatch(limit time.Duration, cut func()) *watch {
	return &watch{limit: limit, cut: cut}
}

// Read reads from r and calls cut if that takes longer than limit.
func (w *watch) Read(b []byte) (int, error) {
	w.start()
	n, err := w.r.Read(b)
	w.stop()
	return n, err
}

func (w *watch) start() {
	switch {
	case w.limit <= 0:
	case w.timer == nil:
		w.timer = time.AfterFunc(w.limit, w.cut)
	default:
		w.timer.Reset(w.limit)
	}
}

func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}
