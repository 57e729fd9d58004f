package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// errGone is the error of a connection whose client is gone.
var errGone = errors.New("client is gone")

// A fragile response takes bytes, but after some flushes it fails to flush. HTTP/2 does so
// when the client is gone, and reports it in no other way.
type fragile struct {
	http.ResponseWriter
	flushes   int // that succeed
	deadlines []bool
}

func (f *fragile) FlushError() error {
	if f.flushes--; f.flushes < 0 {
		return errGone
	}
	return nil
}

func (f *fragile) SetWriteDeadline(t time.Time) error {
	f.deadlines = append(f.deadlines, !t.IsZero())
	return nil
}

func TestStreamWriter(t *testing.T) {
	t.Parallel()

	w := &fragile{ResponseWriter: newRecorder(), flushes: 1}
	out := newStreamWriter(w, time.Second)
	streamtest.Must(t, out.write([]byte("a")))
	streamtest.Want(t, "deadline set, deadline cleared", w.deadlines, []bool{true, false})
	if err := out.write([]byte("b")); !errors.Is(err, errGone) {
		t.Errorf("a flush that failed returns %v", err)
	}
	bare := struct{ http.ResponseWriter }{newRecorder()} // has neither Flush nor deadlines
	if err := newStreamWriter(bare, time.Second).write([]byte("a")); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("a response that cannot be flushed returns %v", err)
	}
}

// The error of a flush ends the stream, even if other writers wrap the response.
func TestFlushErrorEndsTheStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, heartbeat(10*time.Millisecond))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, "GET", "/v1/events?topic=room:1", nil)
	r.ServeHTTP(&fragile{ResponseWriter: newRecorder(), flushes: 3}, req)
	if ctx.Err() != nil {
		t.Error("the stream went on without its client")
	}
	r.idle(t)
}
