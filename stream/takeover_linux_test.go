package stream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// live starts a hub on the real clock.
func live(t testing.TB, log Log, cfg HubConfig) *Hub {
	t.Helper()
	return start(t, NewHub(log, cfg))
}

func start(t testing.TB, h *Hub) *Hub {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	streamtest.Eventually(t, "ready", func() bool { return h.Err() == nil })
	return h
}

// sockets returns both ends of a TCP connection.
func sockets(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// A client reads a feed whose connection was taken over.
type client struct {
	t     testing.TB
	conn  net.Conn
	lines *bufio.Reader
	ended chan End
	kept  chan net.Conn
}

const testHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

// attach opens a feed over a new connection and reads its head and its first block.
func attach(t testing.TB, h *Hub, cfg FeedConfig) *client {
	t.Helper()
	near, far := sockets(t)
	return attachTo(t, h, cfg, near, far)
}

func attachTo(t testing.TB, h *Hub, cfg FeedConfig, near, far net.Conn) *client {
	t.Helper()
	c := &client{t: t, conn: near, ended: make(chan End, 1), kept: make(chan net.Conn, 1)}
	cfg.Ended = func(end End, conn net.Conn) { c.kept <- conn; c.ended <- end }
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = time.Hour
	}
	feed, err := h.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := feed.TakeOver(far, Takeover{Head: []byte(testHead), Chunked: true, Keep: true}); err != nil {
		t.Fatal(err)
	}
	if err := near.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(near)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewReader(res.Body)
	c.block()
	return c
}

// block reads up to the next blank line, and returns the name and the id of the event.
func (c *client) block() (name, id string) {
	c.t.Helper()
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %q: %v", line, err)
		}
		if after, ok := strings.CutPrefix(line, "event: "); ok {
			name = strings.TrimSpace(after)
		}
		if after, ok := strings.CutPrefix(line, "id: "); ok {
			id = strings.TrimSpace(after)
		}
		if line == "\n" {
			return name, id
		}
	}
}

// all reads n events, which must have the name event, and returns their ids.
func (c *client) all(n int, event string) (ids []string) {
	c.t.Helper()
	for range n {
		name, id := c.block()
		if name != event {
			c.t.Fatalf("got %q, %s after %d", name, id, len(ids))
		}
		ids = append(ids, id)
	}
	return ids
}

func texts(cursors []Cursor) (all []string) {
	for _, c := range cursors {
		all = append(all, c.String())
	}
	return all
}

func TestTakeOver(t *testing.T) {
	t.Parallel()
	topics := []Topic{post42}

	t.Run("ReplaysThenGoesLive", func(t *testing.T) {
		t.Parallel()
		log := newMemoryLog()
		log.append(slices.Repeat([]Topic{post42, post43}, 50)...)
		h := live(t, log, HubConfig{RingEvents: 20})
		c := attach(t, h, FeedConfig{Topics: topics, Start: Earliest})
		got := c.all(50, "x")
		log.append(post43, post42)
		h.Wake()
		got = append(got, c.all(1, "x")...)
		if want := texts(log.want(0, post42)); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("NoticesAtOnceThatAClientLeaves", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		for name, leave := range map[string]func(c *net.TCPConn) error{
			"close": func(c *net.TCPConn) error { return c.Close() },
			"half":  func(c *net.TCPConn) error { return c.CloseWrite() },
			"reset": func(c *net.TCPConn) error { c.SetLinger(0); return c.Close() },
			"late":  func(c *net.TCPConn) error { io.WriteString(c, "GET"); return c.Close() },
		} {
			c := attach(t, h, FeedConfig{Topics: topics})
			if err := leave(c.conn.(*net.TCPConn)); err != nil {
				t.Error(err)
			}
			if conn, end := <-c.kept, <-c.ended; end != EndLeft || conn != nil {
				t.Errorf("%s: ended with %q, and the connection %v came back", name, end, conn)
			}
		}
		if n := h.Stats().Readers[SSE]; n != 0 {
			t.Errorf("%d readers left", n)
		}
	})
	t.Run("EndsInOrderAndKeepsTheConnection", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		c := attach(t, h, FeedConfig{Topics: topics, MaxAge: 50 * time.Millisecond})
		if name, _ := c.block(); name != "stream.bye" {
			t.Errorf("got %q", name)
		}
		if rest, err := io.ReadAll(c.lines); err != nil || len(rest) > 0 {
			t.Errorf("after it came %q, %v", rest, err)
		}
		conn := <-c.kept
		if end := <-c.ended; end != EndAge || conn == nil {
			t.Fatalf("ended with %q and %v", end, conn)
		}
		go io.WriteString(conn, "again\n")
		if line, err := bufio.NewReader(c.conn).ReadString('\n'); line != "again\n" {
			t.Errorf("over the same connection came %q, %v", line, err)
		}
	})
	t.Run("SendsByeAndClosesWhenTheHubDrains", func(t *testing.T) {
		t.Parallel()
		h := live(t, newMemoryLog(), HubConfig{})
		c := attach(t, h, FeedConfig{Topics: topics})
		h.Drain(t.Context(), time.Second)
		if name, _ := c.block(); name != "stream.bye" {
			t.Errorf("got %q", name)
		}
		conn := <-c.kept
		if end := <-c.ended; end != EndShutdown || conn != nil {
			t.Errorf("ended with %q and %v", end, conn)
		}
	})
	t.Run("TimersSendHeartbeatsAndCheckpoints", func(t *testing.T) {
		t.Parallel()
		log := newMemoryLog()
		h := live(t, log, HubConfig{})
		c := attach(t, h, FeedConfig{Topics: topics, Heartbeat: 20 * time.Millisecond})
		for range 10 {
			if line, err := c.lines.ReadString('\n'); line != ":\n" {
				t.Fatalf("got %q, %v", line, err)
			}
		}
		log.append(post43)
		h.Wake()
		for {
			if line, _ := c.lines.ReadString('\n'); line == "event: stream.checkpoint\n" {
				return
			}
		}
	})
}

// The kernel reuses the descriptors of readers that come and go. No reader ever gets the
// events of another.
func TestReusedDescriptorsMixNoReadersUp(t *testing.T) {
	t.Parallel()
	log := newMemoryLog()
	h := live(t, log, HubConfig{})
	stop := make(chan struct{})
	var writing, reading sync.WaitGroup
	writing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Microsecond):
				log.append(Topic{fmt.Sprintf("user:%d", i%8)})
				h.Wake()
			}
		}
	})
	for user := range 8 {
		reading.Go(func() {
			topic := fmt.Sprintf("user:%d", user)
			for range 40 {
				c := attach(t, h, FeedConfig{Topics: []Topic{{topic}}})
				for range 3 {
					if line, err := c.lines.ReadString('\n'); err != nil || strings.HasPrefix(line, "topic: ") && strings.TrimSpace(line[7:]) != topic {
						t.Errorf("%s got %q, %v", topic, line, err)
					}
				}
				c.conn.Close()
				<-c.ended
			}
		})
	}
	reading.Wait()
	close(stop)
	writing.Wait()
	if stats := h.Stats(); stats.Readers[SSE] != 0 || stats.Ended[Ended{SSE, EndLeft}] != 8*40 {
		t.Errorf("%d readers are left, %v have ended", stats.Readers[SSE], stats.Ended)
	}
}

// An event costs no allocation for each reader.
func TestFanOutAllocatesNothingPerReader(t *testing.T) {
	log := newMemoryLog()
	h := live(t, log, HubConfig{})
	const readers, events = 200, 50
	var drained sync.WaitGroup
	var clients []*client
	for range readers {
		clients = append(clients, attach(t, h, FeedConfig{Topics: []Topic{post42}}))
	}
	for _, c := range clients {
		drained.Go(func() {
			b := make([]byte, 4<<10)
			for {
				if _, err := c.conn.Read(b); err != nil {
					return
				}
			}
		})
	}
	send := func(n int) {
		for range n {
			delivered := h.Stats().Delivered
			log.append(post42)
			h.Wake()
			streamtest.Eventually(t, "delivered", func() bool { return h.Stats().Delivered == delivered+readers })
		}
	}
	send(10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	send(events)
	runtime.ReadMemStats(&after)
	if each := float64(after.Mallocs-before.Mallocs) / (readers * events); each > 0.5 {
		t.Errorf("%.2f allocations a delivery", each)
	}
	for _, c := range clients {
		c.conn.Close()
	}
	drained.Wait()
}
