package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// back returns a connection over which a poll was answered. It is idle and belongs to the
// http.Server again.
func (r *rig) back(t *testing.T) *wire {
	t.Helper()
	w := r.dial(t)
	w.ask("GET /v1/poll?topic=room:1&cursor=" + r.head(t) + " HTTP/1.1")
	r.waiting(t, 1)
	r.publish(t, "room:1", "tick", `1`)
	w.answer(http.StatusOK)
	r.idle(t)
	return w
}

// answer reads a whole answer.
func (w *wire) answer(status int) *http.Response {
	w.t.Helper()
	res, err := http.ReadResponse(w.r, nil)
	streamtest.Must(w.t, err)
	_, err = io.Copy(io.Discard, res.Body)
	streamtest.Must(w.t, err)
	streamtest.Want(w.t, "status", res.StatusCode, status)
	return res
}

// silentFor checks that the connection stays open for a time, without a byte to read.
func (w *wire) silentFor(d time.Duration) {
	w.t.Helper()
	streamtest.Must(w.t, w.SetReadDeadline(time.Now().Add(d)))
	if _, err := w.r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Fatalf("got %v, want silence", err)
	}
	streamtest.Must(w.t, w.SetReadDeadline(time.Now().Add(patience)))
}

func timeouts(header, idle time.Duration) func(*setup) {
	return func(s *setup) {
		s.http = func(srv *http.Server) { srv.ReadHeaderTimeout, srv.IdleTimeout = header, idle }
	}
}

func TestReturnedConnection(t *testing.T) {
	t.Parallel()

	t.Run("MayBeIdleForLongerThanAHeaderTakes", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, timeouts(2*time.Second, time.Hour)) // the first request must begin within this time, too
		w := r.back(t)
		w.silentFor(3 * time.Second)
		w.ask("GET /healthz HTTP/1.1")
		w.answer(http.StatusOK)
	})
	t.Run("MayNotBeIdleForEver", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, timeouts(time.Hour, 100*time.Millisecond))
		r.back(t).closed()
	})
	t.Run("MustFinishAHeaderThatItBegan", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, timeouts(2*time.Second, time.Hour))
		w := r.back(t)
		_, err := io.WriteString(w, "GET /health")
		streamtest.Must(t, err)
		w.answer(http.StatusBadRequest)
		w.closed()
	})
	t.Run("DelaysNoShutdown", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		w := r.back(t)
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // a new connection would have 5 s
		defer cancel()
		streamtest.Must(t, r.Shutdown(ctx))
		w.closed()
	})
	t.Run("ServesWhatCameWhileThePollWaited", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		w := r.dial(t)
		w.ask("GET /v1/poll?topic=room:1&cursor=" + r.head(t) + " HTTP/1.1")
		r.waiting(t, 1)
		streamtest.Eventually(t, "the connection is taken over", func() bool { return r.busy.Load() == 0 })
		w.ask("GET /nowhere HTTP/1.1")
		r.publish(t, "room:1", "tick", `1`)
		streamtest.Want(t, "closes", w.answer(http.StatusOK).Close, false)
		w.answer(http.StatusNotFound)
	})
}

// Over TLS, the worker has to read bytes that arrive while the poll waits, so they are lost
// for the next request: the answer has Connection: close.
func TestPollOverTLSThatIsNotAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, speaking(t, true, func(p *http.Protocols) { p.SetHTTP1(true) }))
	conn := tls.Client(r.dial(t), &tls.Config{InsecureSkipVerify: true})
	ask := func(line string) {
		_, err := io.WriteString(conn, line+" HTTP/1.1\r\nHost: x\r\n\r\n")
		streamtest.Must(t, err)
	}
	ask("GET /v1/poll?topic=room:1&cursor=" + r.head(t))
	r.waiting(t, 1)
	ask("GET /healthz")
	r.publish(t, "room:1", "tick", `1`)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	streamtest.Must(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	streamtest.Must(t, err)
	streamtest.Want(t, "closes", res.Close, true)
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want the end", err)
	}
}
