package stream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A waiter is the client's end of a parked poll.
type waiter struct {
	conn net.Conn
	kept chan net.Conn
}

// park parks a subscription; its answer is a line.
func parkAt(t *testing.T, h *Hub, start Start, until time.Duration, near, far net.Conn) *waiter {
	t.Helper()
	s, err := h.Subscribe([]Topic{post42}, start)
	if err != nil {
		t.Fatal(err)
	}
	w := &waiter{near, make(chan net.Conn, 1)}
	err = s.Park(far, Parking{
		Until: time.Now().Add(until), Limit: 100, Keep: true,
		Done: func(conn net.Conn) { w.kept <- conn },
		Answer: func(frames []*Frame, err error, keep bool) []byte {
			var text strings.Builder
			for _, f := range frames {
				text.WriteString(f.Data.String())
			}
			return fmt.Appendf(nil, "%d %v %v %v %d\n", len(frames), s.Cursor(), err, keep, text.Len())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func parkOne(t *testing.T, h *Hub, start Start, until time.Duration) *waiter {
	t.Helper()
	near, far := sockets(t)
	return parkAt(t, h, start, until, near, far)
}

func (w *waiter) line(t *testing.T) string {
	t.Helper()
	line, err := bufio.NewReader(w.conn).ReadString('\n')
	if err != nil {
		t.Error(err)
	}
	return line
}

func TestPark(t *testing.T) {
	t.Parallel()

	t.Run("AnswersAnEventAndKeepsTheConnection", func(t *testing.T) {
		t.Parallel()
		log := newMemoryLog()
		h := live(t, log, HubConfig{})
		w := parkOne(t, h, Now, time.Hour)
		log.append(post42)
		h.Wake()
		if got, want := w.line(t), fmt.Sprintf("1 %v <nil> true 1\n", log.lastCursor()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		conn := <-w.kept
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
	t.Run("AnswersWhenTheWaitIsOver", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		w := parkOne(t, h, Now, 30*time.Millisecond)
		if got := w.line(t); got != "0 1-0 <nil> true 0\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("TellsAGap", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		w := parkOne(t, h, At(Cursor{7, 1}), time.Hour)
		if got := w.line(t); !strings.Contains(got, "restored") {
			t.Errorf("got %q", got)
		}
		if conn := <-w.kept; conn != nil {
			t.Error("it kept the connection after an error")
		}
	})
	t.Run("LetsGoWhoLeavesAtOnce", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		w := parkOne(t, h, Now, time.Hour)
		w.conn.(*net.TCPConn).CloseWrite()
		if got := w.line(t); got != "0 1-0 context canceled false 0\n" {
			t.Errorf("who closed its half got %q", got)
		}
		<-w.kept
		w = parkOne(t, h, Now, time.Hour)
		w.conn.Close()
		<-w.kept
		if n := h.Stats().Readers[Poll]; n != 0 {
			t.Errorf("%d polls left", n)
		}
	})
	t.Run("LetsAllGoWhenItDrains", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		w := parkOne(t, h, Now, time.Hour)
		h.Drain(t.Context(), time.Second)
		if got := w.line(t); !strings.Contains(got, ErrClosed.Error()) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("SpreadsTheAnswersToMany", func(t *testing.T) {
		t.Parallel()
		log := newMemoryLog()
		h := live(t, log, HubConfig{})
		const many = 600
		var all []*waiter
		for range many {
			all = append(all, parkOne(t, h, Now, time.Hour))
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
	t.Run("CutsWhoDoesNotTakeTheAnswer", func(t *testing.T) {
		t.Parallel()
		log := padded{newMemoryLog(), large(100)}
		h := live(t, log, HubConfig{Patience: 100 * time.Millisecond})
		near, far := narrow(t, 4<<10)
		s, err := h.Subscribe([]Topic{post42}, Now)
		if err != nil {
			t.Fatal(err)
		}
		kept := make(chan net.Conn, 1)
		err = s.Park(far, Parking{
			Until: time.Now().Add(time.Hour), Limit: 1, Keep: true,
			Done:   func(conn net.Conn) { kept <- conn },
			Answer: func([]*Frame, error, bool) []byte { return make([]byte, 8<<20) },
		})
		if err != nil {
			t.Fatal(err)
		}
		log.append(post42)
		h.Wake()
		if conn := <-kept; conn != nil {
			t.Error("it kept a connection that took half an answer")
		}
		if n, err := io.Copy(io.Discard, near); n >= 8<<20 {
			t.Errorf("%d bytes came, %v", n, err)
		}
		if unsent := h.Stats().Unsent; unsent != 0 {
			t.Errorf("%d bytes are counted as unsent", unsent)
		}
	})
	t.Run("RefusesWhatIsNoSocket", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		s, err := h.Subscribe([]Topic{post42}, Now)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		if err := s.Park(far, Parking{}); !errors.Is(err, errNoSocket) || CanTakeOver(far) {
			t.Errorf("a pipe is %v", err)
		}
	})
}
