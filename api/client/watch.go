package client

import (
	"io"
	"time"
)

const (
	openLimit      = time.Minute     // a followed stream's silence limit until it learns its own
	heartbeatSlack = 5 * time.Second // on top of two heartbeats
	maxHeartbeat   = 24 * 60 * 60    // seconds; more is no promise to hold a server to
)

// watch is a reader that calls cut when a read takes longer than limit. The time
// between reads, which is the caller's own, does not count. It is for one
// goroutine, but for cut, which runs on its own.
type watch struct {
	r     io.Reader
	limit time.Duration // 0 for none
	cut   func()
	timer *time.Timer // nil until there has been a limit
}

func newWatch(limit time.Duration, cut func()) *watch {
	return &watch{limit: limit, cut: cut}
}

// Read reads under the limit.
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
