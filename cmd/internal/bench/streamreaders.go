package bench

import (
	"context"
	"fmt"
	"io"
)

// A Stream describes the event stream of any server, Tidings or not: [ConnectReaders]
// reads all of them with the same readers.
type Stream struct {
	URL             string   // of the server, without a path
	Paths           []string // of the streams, with queries; readers are spread over them
	Protocol        Protocol // how the paths are read
	Event           string   // name of the events to count
	PID             int      // process of the server, on this machine
	IncludeChildren bool     // child processes of PID belong to the server
}

// A Protocol is a way to read events.
type Protocol int

const (
	EventSource  Protocol = iota // as an EventSource of a browser
	SocketIO                     // Socket.IO over WebSocket
	TidingsPoll                  // long-poll of Tidings; the paths of a Stream are topics
	NchanPoll                    // long-poll of Nchan
	SocketIOPoll                 // Socket.IO over HTTP, with one request at a time
)

// StreamReaders are connected readers of a Stream. Its methods are for one goroutine at a
// time.
type StreamReaders struct {
	Connect Connect
	Memory  Memory // Loaded is 0

	pool *readerPool
	load *load
}

// Publish publishes an event with the data on the stream Paths[path], and returns when
// the server has acknowledged it.
type Publish func(ctx context.Context, path int, data []byte) error

// ConnectReaders connects readers and returns when the server has accepted all of them.
// It measures the server's memory before and after. ctx must not end before Stop is
// called.
func ConnectReaders(ctx context.Context, s Stream, readers int, progress io.Writer) (*StreamReaders, error) {
	t, err := newTarget(s.URL, "", newPrinter(io.Discard, progress))
	if err != nil {
		return nil, err
	}
	t.pid, t.includeChildren = s.PID, s.IncludeChildren
	before := t.resident(ctx)
	all := make([]*reader, readers)
	for i := range all {
		path := i % len(s.Paths)
		all[i] = &reader{protocol: s.protocol(path), post: path, topic: s.Paths[path], counted: s.Event}
	}
	pool, err := t.startReaders(ctx, all)
	if err != nil {
		return nil, err
	}
	idle := t.resident(ctx)
	seconds := pool.opened.Seconds()
	return &StreamReaders{
		Connect: Connect{Seconds: seconds, PerSecond: float64(readers) / seconds},
		Memory:  Memory{Before: before, Idle: idle, PerReader: (idle - before) / float64(readers)},
		pool:    pool, load: &load{posts: len(s.Paths), now: t.now},
	}, nil
}

// protocol returns the protocol of a reader of Paths[path].
func (s Stream) protocol(path int) protocol {
	p := s.Paths[path]
	switch s.Protocol {
	case SocketIO:
		return socketIO{p}
	case TidingsPoll:
		return polling{newTidingsPoll}
	case NchanPoll:
		return polling{func(r *reader, d *dialer) poller { return nchanPoll{r, d, p} }}
	case SocketIOPoll:
		return polling{func(r *reader, d *dialer) poller {
			return &socketPoll{socketPackets: socketPackets{reader: r}, dialer: d, path: p}
		}}
	}
	return eventSource{p}
}

// Paced publishes n events at a steady rate and waits until all readers have them.
func (r *StreamReaders) Paced(ctx context.Context, n int, perSecond float64, publish Publish) (Delivery, error) {
	r.prepare(r.load.posts, paced(n, perSecond), publish)
	return r.pool.deliver(ctx, r.load)
}

// FlatOut publishes n events by a number of concurrent publishers, each of which sends
// its next event as soon as its last one is acknowledged.
func (r *StreamReaders) FlatOut(ctx context.Context, n, publishers int, publish Publish) (Delivery, error) {
	r.prepare(publishers, times(n), publish)
	return r.pool.deliver(ctx, r.load)
}

// Storm publishes n events at a steady rate, and closes the connections of all readers
// after a quarter of them.
func (r *StreamReaders) Storm(ctx context.Context, n int, perSecond float64, publish Publish) (*Storm, error) {
	r.prepare(r.load.posts, paced(n, perSecond), publish)
	return r.pool.storm(ctx, r.load, r.load.sent()+n/stormCalm)
}

// Stop ends the readers and waits for them.
func (r *StreamReaders) Stop() {
	r.pool.stop()
	r.pool.target.close()
}

// prepare sets the load's workers and what they send.
func (r *StreamReaders) prepare(workers int, more func(context.Context) bool, publish Publish) {
	l := r.load
	l.workers, l.more = workers, more
	l.send = func(ctx context.Context, worker, n int) error {
		return publish(ctx, worker%l.posts, dataOf(mark{n, l.now()}))
	}
}

// A Server is a running server that [WithOwnServer] has started.
type Server struct {
	URL     string
	Secret  string // signs tokens
	PID     int
	Machine Machine // this machine and the server's Postgres
}

// WithOwnServer starts a server ("program dev", with the environment env and limits for
// that many readers) and Postgres in a temporary folder, calls fn, and then stops and
// deletes both. Postgres writes to disk with fsync, as by default.
func WithOwnServer(ctx context.Context, program string, env []string, readers int, progress io.Writer, fn func(Server) error) error {
	own, err := newOwnServer(newPrinter(io.Discard, progress), program, env, readers)
	if err != nil {
		return err
	}
	err = own.withServer(ctx, func(t *target) error {
		return fn(Server{URL: t.url, Secret: t.secret, PID: t.pid, Machine: *machineOf(ctx, t)})
	})
	if removed := own.remove(); err == nil && removed != nil {
		return fmt.Errorf("remove the server's folder: %w", removed)
	}
	return err
}
