package stream

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// A repeater is a client that polls again and again over one connection. Its requests are
// lines with a cursor and topics. Its answers are lines with the positions of the events and
// the next cursor.
type repeater struct {
	*waiter
	t  *testing.T
	in *bufio.Reader
}

// pollAgain opens a poll of post 42 that starts now. The server answers requests that begin with
// a cursor, and gives all others back.
func pollAgain(t *testing.T, h *Hub, near, far net.Conn) *repeater {
	t.Helper()
	streamtest.Must(t, near.SetDeadline(time.Now().Add(streamtest.Patience)))
	c := &caller{encode: func(r PollResult) []byte {
		var positions []string
		for _, f := range r.Frames {
			positions = append(positions, strconv.FormatInt(f.Cursor.Position, 10))
		}
		return fmt.Appendf(nil, "[%s] %v %v\n", strings.Join(positions, " "), r.Cursor, r.Err)
	}}
	c.next = func(read []byte) (PollConfig, bool) {
		words := strings.Fields(string(read))
		at, err := ParseCursor(words[0])
		if err != nil || !strings.HasSuffix(string(read), "\n") {
			return PollConfig{}, false
		}
		cfg := PollConfig{Start: At(at), Until: time.Now().Add(time.Hour), Limit: 100, Caller: c}
		for _, topic := range words[1:] {
			cfg.Topics = append(cfg.Topics, Topic{topic})
		}
		return cfg, true
	}
	r := &repeater{waitWith(t, h, Now, time.Hour, near, far, c), t, bufio.NewReader(near)}
	letGo(t, h)
	return r
}

// letGo ends the connections of the hub before the test closes them: the Close of a TLS
// connection uses what the hub uses.
func letGo(t *testing.T, h *Hub) {
	t.Cleanup(func() {
		h.Close()
		streamtest.Eventually(t, "the hub has no connections", func() bool {
			left := 0
			for _, sh := range h.shards {
				left += sh.readers()
			}
			return left == 0
		})
	})
}

func (r *repeater) ask(format string, args ...any) {
	r.t.Helper()
	_, err := fmt.Fprintf(r.conn, format+"\n", args...)
	streamtest.Must(r.t, err)
}

func (r *repeater) answer(want string) {
	r.t.Helper()
	line, err := r.in.ReadString('\n')
	streamtest.Must(r.t, err)
	streamtest.Want(r.t, "the answer", line, want+"\n")
}

// returned wants the connection back, with the bytes of the last request: the first ones
// were read, and the rest is left to read.
func (r *repeater) returned(request string) {
	r.t.Helper()
	read, conn := <-r.read, <-r.kept
	if conn == nil {
		r.t.Fatal("the connection is closed")
	}
	streamtest.Must(r.t, conn.SetReadDeadline(time.Now().Add(streamtest.Patience)))
	rest := make([]byte, max(0, len(request)-len(read)))
	_, err := io.ReadFull(conn, rest)
	streamtest.Must(r.t, err)
	streamtest.Want(r.t, "the request comes back whole", len(read) > 0 && string(read)+string(rest) == request, true)
}

// closed wants the hub to close the connection.
func (r *repeater) closed() {
	r.t.Helper()
	if conn := <-r.kept; conn != nil {
		r.t.Error("the connection came back")
	}
	if _, err := r.in.ReadByte(); err == nil {
		r.t.Error("the connection is open")
	}
}

func (r *repeater) waits(h *Hub, polls int64) {
	r.t.Helper()
	streamtest.Eventually(r.t, "polls wait", func() bool { return h.Stats().Readers[Poll] == polls })
}

// More polls over one connection get every event once, over TCP and TLS.
func TestPollsOverOneConnection(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(t *testing.T) (near, far net.Conn){
		"TCP":    func(t *testing.T) (near, far net.Conn) { return sockets(t) },
		"TLS1.2": func(t *testing.T) (near, far net.Conn) { return encrypted(t, tls.VersionTLS12) },
		"TLS1.3": func(t *testing.T) (near, far net.Conn) { return encrypted(t, tls.VersionTLS13) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pollsOverOneConnection(t, connect)
		})
	}
}

func pollsOverOneConnection(t *testing.T, connect func(t *testing.T) (near, far net.Conn)) {
	begin := func(t *testing.T, cfg HubConfig) (*Hub, *memoryLog, *repeater) {
		t.Parallel()
		log := newMemoryLog()
		h := live(t, log, cfg)
		near, far := connect(t)
		r := pollAgain(t, h, near, far)
		log.append(post42) // position 1
		h.Wake()
		r.answer("[1] 1-1 <nil>")
		r.waits(h, 0) // the hub keeps the connection now
		return h, log, r
	}
	t.Run("NothingIsLostOrDoubled", func(t *testing.T) {
		h, log, r := begin(t, HubConfig{})
		cursor := Cursor{1, 1}
		for range 20 {
			r.ask("%v post:42", cursor)
			r.waits(h, 1)
			log.append(post43, post42)
			h.Wake()
			cursor = log.lastCursor()
			r.answer(fmt.Sprintf("[%d] %v <nil>", cursor.Position, cursor))
			r.waits(h, 0)
		}
		stats := h.Stats()
		streamtest.Want(t, "polls left", stats.Readers[Poll], 0)
		streamtest.Want(t, "the ends", stats.Ended, map[Ended]int64{{Poll, EndAnswered}: 21})
		streamtest.Want(t, "readers behind", stats.Behind, 0)
		streamtest.Want(t, "reads of the log", log.reads, 0)
		for range 21 {
			streamtest.Want(t, "the end", <-r.end, EndAnswered)
		}
	})
	t.Run("EventsBetweenTwoPollsComeFromTheRing", func(t *testing.T) {
		h, log, r := begin(t, HubConfig{})
		log.append(post42, post43, post42)
		h.Wake()
		streamtest.Eventually(t, "the hub has read them", func() bool { return h.Head() == log.lastCursor() })
		last := log.lastCursor()
		streamtest.Want(t, "slow readers between two polls", len(h.Slowest(10)), 0)
		r.ask("1-1 post:42")
		r.answer(fmt.Sprintf("[3 %d] %v <nil>", last.Position, last))
		r.ask("%v post:43 post:42", Cursor{1, last.Position - 1}) // other topics
		r.answer(fmt.Sprintf("[%d] %v <nil>", last.Position, last))
		r.ask("1-1 post:43")
		r.answer(fmt.Sprintf("[4] %v <nil>", last))
	})
	t.Run("RequestsForAnotherServerComeBackWhole", func(t *testing.T) {
		for name, c := range map[string]struct{ first, request string }{
			"NotAPoll":               {"", "POST / HTTP/1.1\n"},
			"Incomplete":             {"", "1-1"},
			"AnUnknownCursor":        {"", "1-999 post:42\n"},
			"AnotherEpoch":           {"", "7-1 post:42\n"},
			"NotInTheRing":           {"", "1-0 post:42\n"},
			"AsLargeAsCanBeAnswered": {"", "x" + strings.Repeat("y", maxRequest-1)},
		} {
			t.Run(name, func(t *testing.T) {
				h, log, r := begin(t, HubConfig{RingEvents: 1})
				log.append(post43)
				h.Wake()
				streamtest.Eventually(t, "the hub has read it", func() bool { return h.Head() == log.lastCursor() })
				_, err := io.WriteString(r.conn, c.request)
				streamtest.Must(t, err)
				r.returned(c.request)
				streamtest.Want(t, "polls left", h.Stats().Readers[Poll], 0)
				streamtest.Want(t, "reads of the log", log.reads, 0)
			})
		}
	})
	t.Run("AClientThatLeavesIsClosed", func(t *testing.T) {
		h, _, r := begin(t, HubConfig{})
		r.conn.Close()
		if conn := <-r.kept; conn != nil {
			t.Error("the connection came back")
		}
		streamtest.Want(t, "polls left", h.Stats().Readers[Poll], 0)
	})
	t.Run("IdleConnectionsEndWithTheHub", func(t *testing.T) {
		h, _, r := begin(t, HubConfig{})
		h.Drain(t.Context(), time.Millisecond)
		r.closed()
	})
	t.Run("APollThatWaitsEndsWithTheHub", func(t *testing.T) {
		h, _, r := begin(t, HubConfig{})
		r.ask("1-1 post:42")
		r.waits(h, 1)
		h.Close()
		r.answer("[] 1-1 " + ErrClosed.Error())
		r.closed()
	})
	t.Run("ARestoredLogIsReported", func(t *testing.T) {
		h, log, r := begin(t, HubConfig{})
		log.restore(0)
		h.Wake()
		streamtest.Eventually(t, "the hub has seen it", func() bool { return h.Head() == Cursor{1, 0} })
		r.ask("1-1 post:42")
		r.returned("1-1 post:42\n")
	})
}

// An idle connection is closed after its time, and no earlier.
func TestPollsOverOneConnection_IdleTimeEnds(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	h, clock := liveByHand(t, log, HubConfig{Shards: 1})
	near, far := sockets(t)
	r := pollAgain(t, h, near, far)
	log.append(post42)
	h.Wake()
	r.answer("[1] 1-1 <nil>")
	r.waits(h, 0)
	for range 59 { // the caller gives an hour
		clock.pass(time.Minute)
	}
	r.ask("1-1 post:42")
	r.waits(h, 1)
	log.append(post42)
	h.Wake()
	r.answer("[3] 1-3 <nil>")
	r.waits(h, 0)
	clock.pass(time.Hour + time.Second)
	r.closed()
}

// Polls with equal results share a body, unless a text in it has changed.
func TestPollBodiesAreShared(t *testing.T) {
	t.Parallel()
	encoded := 0
	c := &caller{body: func(PollResult) *PollBody { encoded++; return &PollBody{} }}
	frame := func(position int64) *Frame {
		return NewFrame(Event{Cursor: Cursor{1, position}, Topic: post42, Name: Name{"x"}, Data: Data{[]byte("1")}})
	}
	one, two := frame(1), frame(2)
	known := make(bodies)
	result := func(frames ...*Frame) PollResult {
		return PollResult{Frames: frames, Cursor: Cursor{1, 2}}
	}
	first := known.of(result(one, two), c)
	for name, other := range map[string]PollResult{
		"more":            {Frames: []*Frame{one, two}, Cursor: Cursor{1, 2}, More: true},
		"another cursor":  {Frames: []*Frame{one, two}, Cursor: Cursor{1, 3}},
		"fewer frames":    result(two),
		"no frames":       result(),
		"an equal event":  result(one, frame(2)),
		"another between": result(one, frame(3), two),
	} {
		if known.of(other, c) == first {
			t.Errorf("the body is shared with %s", name)
		}
	}
	before := encoded
	if known.of(result(one, two), c) != first || encoded != before {
		t.Error("the body is encoded twice")
	}
	one.setContent(Data{[]byte("null")}, 1)
	if known.of(result(one, two), c) == first {
		t.Error("the body has a text that was removed")
	}
	streamtest.Want(t, "bodies of many results are bounded", func() bool {
		for i := range int64(10 * mostBodies) {
			known.of(PollResult{Cursor: Cursor{2, i}}, c)
		}
		return len(known) <= mostBodies
	}(), true)
}

// What a client does not take of an answer is reserved: the shared part once for each client.
func TestUnsentAnswersAreReserved(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	ann, bob := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	body := &PollBody{Bytes: make([]byte, size)}
	held := 0
	c := &caller{reserve: func(n int) (func(), bool) {
		if held+n > 3*size {
			return nil, false
		}
		held += n
		return func() { held -= n }, true
	}}
	var polls [4]unsent
	for i := range polls[:3] {
		streamtest.Want(t, "there is room", polls[i].reserve(ann, size/2+10, 10, body, c), true)
	}
	streamtest.Want(t, "reserved for one client", held, size+30)
	streamtest.Want(t, "there is room for another client", polls[3].reserve(bob, size/2, 0, body, c), true)
	streamtest.Want(t, "reserved for two clients", held, 2*size+30)
	var late unsent
	streamtest.Want(t, "there is room for a copy", late.reserve(bob, size, size, nil, c), false)
	late.release(bob)
	for i := range polls[:3] {
		polls[i].release(ann)
	}
	polls[3].release(bob)
	polls[3].release(bob)
	streamtest.Want(t, "reserved at the end", held, 0)
}

// A part of a large body that the socket does not accept is sent later, from the shared bytes.
func TestLargeAnswerIsSentFromTheSharedBody(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(t *testing.T) (near, far net.Conn){
		"TCP": func(t *testing.T) (near, far net.Conn) { return narrow(t, 32<<10) },
		"TLS": func(t *testing.T) (near, far net.Conn) { return encrypted(t, tls.VersionTLS13) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newMemoryLog()
			h := live(t, log, HubConfig{})
			near, far := connect(t)
			middle := bytes.Repeat([]byte("0123456789"), 100_000)
			held := 0
			c := &caller{
				body:   func(PollResult) *PollBody { return &PollBody{Bytes: middle} },
				encode: func(PollResult) []byte { return []byte("<>\n") }, place: 1,
				reserve: func(n int) (func(), bool) { held += n; return func() { held -= n }, true },
			}
			w := waitWith(t, h, Now, time.Hour, near, far, c)
			letGo(t, h)
			log.append(post42)
			h.Wake()
			streamtest.Eventually(t, "the socket is full", func() bool { return h.Stats().Unsent > 0 })
			got := make([]byte, len(middle)+3)
			_, err := io.ReadFull(near, got)
			streamtest.Must(t, err)
			streamtest.Want(t, "the answer", string(got) == "<"+string(middle)+">\n", true)
			streamtest.Want(t, "the end", <-w.end, EndAnswered)
			streamtest.Want(t, "reserved after the answer", held, 0)
		})
	}
}
