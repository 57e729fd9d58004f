package api

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"
)

const (
	foreignMessage = "a page of an origin that is not allowed has called: add it to TIDINGS_ALLOWED_ORIGINS if it is one of yours"
	// foreignQuiet is the time for which an origin is not logged again.
	foreignQuiet = time.Minute
	// maxForeignNames is how many origins are logged within foreignQuiet. Programs can send
	// any number of them.
	maxForeignNames = 20
	// maxOriginBytes is what the log has of an origin: a scheme, the longest name of a host
	// (RFC 1035 section 2.3.4) and a port.
	maxOriginBytes = 300
)

// A foreignLog names the origins whose pages are refused, each once a minute. It is safe for
// concurrent use.
type foreignLog struct {
	logger *slog.Logger

	mu     sync.Mutex           // guards logged; nothing is logged under it
	logged map[string]time.Time // when each origin of the last minute was logged
}

func newForeignLog(logger *slog.Logger) *foreignLog {
	return &foreignLog{logger: logger, logged: make(map[string]time.Time)}
}

// note logs an origin as a warning, unless it or maxForeignNames others were logged within
// the last minute.
func (l *foreignLog) note(ctx context.Context, origin string) {
	origin = origin[:min(len(origin), maxOriginBytes)]
	if l.first(origin, time.Now()) {
		l.logger.LogAttrs(ctx, slog.LevelWarn, foreignMessage, slog.String("origin", origin))
	}
}

// first reports whether an origin is to be logged at a time.
func (l *foreignLog) first(origin string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, known := l.logged[origin]; known && now.Sub(at) < foreignQuiet {
		return false
	}
	if len(l.logged) >= maxForeignNames {
		maps.DeleteFunc(l.logged, func(_ string, at time.Time) bool { return now.Sub(at) >= foreignQuiet })
	}
	if len(l.logged) >= maxForeignNames {
		return false
	}
	l.logged[origin] = now
	return true
}
