package stream

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A waiter is the client's end of a poll whose connection was taken over.
type waiter struct {
	conn net.Conn
	kept chan net.Conn
	read chan []byte // the bytes that were read from kept
	end  chan End
}

// waitAt opens a poll and gives it far. Its answer is a line.
func waitAt(t *testing.T, h *Hub, start Start, until time.Duration, near, far net.Conn) *waiter {
	t.Helper()
	return waitFor(t, h, start, until, near, far, func(r PollResult) []byte {
		var text strings.Builder
		for _, f := range r.Frames {
			text.WriteString(f.Data().String())
		}
		return fmt.Appendf(nil, "%d %v %v %v %d\n", len(r.Frames), r.Cursor, r.Err, r.Keep, text.Len())
	})
}

func waitFor(t *testing.T, h *Hub, start Start, until time.Duration, near, far net.Conn, encode func(PollResult) []byte) *waiter {
	t.Helper()
	return waitWith(t, h, start, until, near, far, &caller{encode: encode})
}

// waitWith opens a poll of a caller, whose ends and returned connection it sends to the waiter.
func waitWith(t *testing.T, h *Hub, start Start, until time.Duration, near, far net.Conn, c *caller) *waiter {
	t.Helper()
	w := &waiter{near, make(chan net.Conn, 1), make(chan []byte, 1), make(chan End, 100)}
	c.ended = func(end End) { w.end <- end }
	c.back = func(conn net.Conn, read []byte) { w.read <- bytes.Clone(read); w.kept <- conn }
	p, err := h.OpenPoll(PollConfig{
		Topics: []Topic{post42}, Start: start, Until: time.Now().Add(until), Limit: 100, Caller: c,
	})
	streamtest.Must(t, err)
	streamtest.Must(t, p.TakeOver(far, true))
	return w
}

func waitOne(t *testing.T, h *Hub, start Start, until time.Duration) *waiter {
	t.Helper()
	near, far := sockets(t)
	return waitAt(t, h, start, until, near, far)
}

func (w *waiter) line(t *testing.T) string {
	t.Helper()
	line, err := bufio.NewReader(w.conn).ReadString('\n')
	if err != nil {
		t.Error(err)
	}
	return line
}

func TestPollThatWaits(t *testing.T) {
	t.Parallel()

	t.Run("AnswersAnEventAndKeepsTheConnection", func(t *testing.T) {
		t.Parallel()
		log := newMemoryLog()
		h := live(t, log, HubConfig{})
		w := waitOne(t, h, Now, time.Hour)
		log.append(post42)
		h.Wake()
		if got, want := w.line(t), fmt.Sprintf("1 %v <nil> true 1\n", log.lastCursor()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		_, err := io.WriteString(w.conn, "next\n")
		streamtest.Must(t, err)
		conn := <-w.kept
		streamtest.Want(t, "the bytes that were read", string(<-w.read), "next\n")
		if conn == nil {
			t.Fatal("the connection was closed")
		}
		go io.WriteString(conn, "again\n")
		if got := w.line(t); got != "again\n" {
			t.Errorf("over the same connection came %q", got)
		}
		if n := h.Stats().Readers[Poll]; n != 0 {
			t.Errorf("%d polls left", n)
		}
	})
	t.Run("AnswersAtTheEndOfTheWait", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		w := waitOne(t, h, Now, 30*time.Millisecond)
		if got := w.line(t); got != "0 1-0 <nil> true 0\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("ReportsAGap", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		w := waitOne(t, h, At(Cursor{7, 1}), time.Hour)
		if got := w.line(t); !strings.Contains(got, "restored") {
			t.Errorf("got %q", got)
		}
		if conn := <-w.kept; conn != nil {
			t.Error("it kept the connection after an error")
		}
	})
	t.Run("AnswersAtOnceWhenTheClientLeaves", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		w := waitOne(t, h, Now, time.Hour)
		w.conn.(*net.TCPConn).CloseWrite()
		if got := w.line(t); got != "0 1-0 context canceled false 0\n" {
			t.Errorf("a client that closed its half got %q", got)
		}
		<-w.kept
		w = waitOne(t, h, Now, time.Hour)
		w.conn.Close()
		<-w.kept
		if n := h.Stats().Readers[Poll]; n != 0 {
			t.Errorf("%d polls left", n)
		}
	})
	t.Run("AnswersAllWhenTheHubDrains", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		w := waitOne(t, h, Now, time.Hour)
		h.Drain(t.Context(), time.Second)
		if got := w.line(t); !strings.Contains(got, ErrClosed.Error()) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("SpreadsTheAnswersToManyPolls", func(t *testing.T) {
		t.Parallel()
		log := newMemoryLog()
		h := live(t, log, HubConfig{})
		const many = 600
		var all []*waiter
		for range many {
			all = append(all, waitOne(t, h, Now, time.Hour))
		}
		begun := h.now()
		log.append(post42)
		h.Wake()
		for _, w := range all {
			w.line(t)
		}
		if took := h.now() - begun; took < 20*time.Millisecond {
			t.Errorf("all were answered within %v", took)
		}
	})
	t.Run("CutsAClientThatDoesNotTakeTheAnswer", func(t *testing.T) {
		t.Parallel()
		log := padded{newMemoryLog(), large(100)}
		h := live(t, log, HubConfig{Patience: 100 * time.Millisecond})
		near, far := narrow(t, 4<<10)
		w := waitFor(t, h, Now, time.Hour, near, far, func(PollResult) []byte { return make([]byte, 8<<20) })
		log.append(post42)
		h.Wake()
		if conn := <-w.kept; conn != nil {
			t.Error("it kept a connection that took half an answer")
		}
		streamtest.Want(t, "the end", <-w.end, EndStalled)
		if n, err := io.Copy(io.Discard, near); n >= 8<<20 {
			t.Errorf("%d bytes came, %v", n, err)
		}
		if unsent := h.Stats().Unsent; unsent != 0 {
			t.Errorf("%d bytes are counted as unsent", unsent)
		}
	})
	t.Run("RefusesAConnectionWithoutASocket", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		p, err := h.OpenPoll(PollConfig{Topics: []Topic{post42}, Caller: &caller{}})
		streamtest.Must(t, err)
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		streamtest.WantErr(t, p.TakeOver(far, false), ErrNotSupported)
		p.Close()
		stats := h.Stats()
		streamtest.Want(t, "the number of polls left", stats.Readers[Poll], 0)
		streamtest.Want(t, "the ends", len(stats.Ended), 0)
	})
}
