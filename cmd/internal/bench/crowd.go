package bench

import (
	"context"
	"fmt"
	"io"
)

// A Stream is any server's stream of events: for programs that hold other servers
// against this one, with the same readers.
type Stream struct {
	URL      string   // of the server, without a path
	Paths    []string // of its streams, queries included; readers are spread over them
	SocketIO bool     // whether they are of Socket.IO, over WebSocket, and not for an EventSource
	Poll     bool     // whether they are topics of a Tidings, to be read by long-poll
	Event    string   // name of the events to count
	PID      int      // of the server, on this machine
	Family   bool     // whether what that process started belongs to the server, too
}

// A Crowd is many readers of a Stream who are connected. Its methods are for one
// goroutine.
type Crowd struct {
	Connect Connect
	Memory  Memory // Loaded is 0: ask for it by Resident

	fleet *fleet
	load  *load
}

// Publish sends an event with the data to one of the Stream's Paths.
type Publish func(ctx context.Context, path int, data []byte) error

// Gather connects the readers, and weighs the server before and after. Cancelling
// ctx is no way to end the Crowd: call Stop.
func Gather(ctx context.Context, s Stream, readers int, progress io.Writer) (*Crowd, error) {
	t, err := newTarget(s.URL, "", newPrinter(io.Discard, progress))
	if err != nil {
		return nil, err
	}
	t.pid, t.family = s.PID, s.Family
	before := t.resident(ctx)
	all := make([]*reader, readers)
	for i := range all {
		path := i % len(s.Paths)
		all[i] = &reader{dialect: s.dialect(path), post: path, topic: s.Paths[path], counted: s.Event}
	}
	fleet, err := t.gather(ctx, all)
	if err != nil {
		return nil, err
	}
	idle := t.resident(ctx)
	seconds := fleet.opened.Seconds()
	return &Crowd{
		Connect: Connect{Seconds: seconds, PerSecond: float64(readers) / seconds},
		Memory:  Memory{Before: before, Idle: idle, PerReader: (idle - before) / float64(readers)},
		fleet:   fleet, load: &load{posts: len(s.Paths), now: t.now},
	}, nil
}

func (s Stream) dialect(path int) dialect {
	switch {
	case s.SocketIO:
		return socketIO{s.Paths[path]}
	case s.Poll:
		return tidingsPoll{}
	}
	return eventSource{s.Paths[path]}
}

// Paced has n events published at a steady rate.
func (c *Crowd) Paced(ctx context.Context, n int, perSecond float64, publish Publish) (Delivery, error) {
	c.prepare(c.load.posts, paced(n, perSecond), publish)
	return c.fleet.deliver(ctx, c.load)
}

// FlatOut has n events published by so many at once, as fast as they are answered.
func (c *Crowd) FlatOut(ctx context.Context, n, publishers int, publish Publish) (Delivery, error) {
	c.prepare(publishers, turns(n), publish)
	return c.fleet.deliver(ctx, c.load)
}

// Storm has n events published at a steady rate, and cuts all readers off after a
// quarter of them.
func (c *Crowd) Storm(ctx context.Context, n int, perSecond float64, publish Publish) (*Storm, error) {
	c.prepare(c.load.posts, paced(n, perSecond), publish)
	return c.fleet.storm(ctx, c.load, c.load.sent()+n/stormCalm)
}

// Stop ends the readers.
func (c *Crowd) Stop() {
	c.fleet.stop()
	c.fleet.target.close()
}

func (c *Crowd) prepare(workers int, more func(context.Context) bool, publish Publish) {
	l := c.load
	l.workers, l.more = workers, more
	l.send = func(ctx context.Context, worker, n int) error {
		return publish(ctx, worker%l.posts, dataOf(mark{n, l.now()}))
	}
}

// A Server is one of our own that runs.
type Server struct {
	URL     string
	Secret  string // of its tokens
	PID     int
	Machine Machine // its Postgres included
}

// WithOwn runs a server of our own, durable, in a temporary folder, for as long as fn.
// Env is for its program, which is run as "Program dev".
func WithOwn(ctx context.Context, program string, env []string, readers int, progress io.Writer, fn func(Server) error) error {
	own, err := newOwn(newPrinter(io.Discard, progress), program, env, readers)
	if err != nil {
		return err
	}
	err = own.visit(ctx, func(t *target) error {
		return fn(Server{URL: t.url, Secret: t.secret, PID: t.pid, Machine: *machineOf(ctx, t)})
	})
	if removed := own.remove(); err == nil && removed != nil {
		return fmt.Errorf("remove the server's folder: %w", removed)
	}
	return err
}
