package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"time"
)

// restTime is how long a reader that was cut off waits before it resumes.
const restTime = 100 * time.Millisecond

// A reader reads one topic, over either transport, and counts the events of
// one name in it. It belongs to one goroutine.
type reader struct {
	wire   *wire
	poll   bool
	post   int // index of it
	topic  string
	event  string
	token  string
	now    func() time.Duration
	tally  tally
	cursor string
	begun  bool
}

// run reads until ctx ends, and resumes from its cursor whenever it was cut. It
// calls began once: with nil when the server has taken it in, with an error when
// that cannot be had.
func (r *reader) run(ctx context.Context, began func(error)) {
	read := r.stream
	if r.poll {
		read = r.polls
	}
	for {
		err := read(ctx, func() { r.begin(began) })
		if !r.begun {
			began(err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(restTime):
			r.tally.cut()
		}
	}
}

func (r *reader) begin(began func(error)) {
	if !r.begun {
		r.begun = true
		began(nil)
	}
}

func (r *reader) query() url.Values {
	cursor := r.cursor
	if cursor == "" {
		cursor = "now"
	}
	return url.Values{"topic": {r.topic}, "cursor": {cursor}}
}

// stream reads one event stream to its end.
func (r *reader) stream(ctx context.Context, ready func()) error {
	conn, err := r.wire.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.close()
	answer, err := conn.get("/v1/events", r.query(), r.token, "text/event-stream")
	if err != nil {
		return err
	}
	b := block{reader: r, ready: ready}
	return b.read(bufio.NewReaderSize(answer.Body, 4<<10))
}

// A block is the event that is being read: as much of the format (HTML standard
// 9.2.6) as our own server writes.
type block struct {
	reader  *reader
	ready   func()
	name    []byte
	id      []byte
	mark    mark
	marked  bool
	partial bool // the line was begun by the last call
}

func (b *block) read(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if !b.partial {
			b.line(bytes.TrimSuffix(line, []byte{'\n'}))
		}
		b.partial = err != nil // a mark is at the beginning of its line: the rest is not looked at
	}
}

func (b *block) line(line []byte) {
	field, value, _ := bytes.Cut(line, []byte(": "))
	switch string(field) {
	case "event":
		b.name = append(b.name[:0], value...)
	case "id":
		b.id = append(b.id[:0], value...)
	case "data":
		if string(b.name) == b.reader.event {
			b.mark, b.marked = findMark(value)
		}
	case "":
		if len(line) == 0 {
			b.end()
		}
	}
}

// end takes the whole event.
func (b *block) end() {
	r := b.reader
	if b.marked {
		r.tally.take(b.mark, parsePosition(b.id), r.now())
	}
	if len(b.id) > 0 {
		r.cursor = string(b.id)
	}
	if string(b.name) == "stream.ready" {
		b.ready()
	}
	b.name, b.id, b.marked = b.name[:0], b.id[:0], false
}

// polls asks again and again over one connection, until that ends.
func (r *reader) polls(ctx context.Context, ready func()) error {
	conn, err := r.wire.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.close()
	for {
		query := r.query()
		query.Set("limit", "1000")
		answer, err := conn.get("/v1/poll", query, r.token, "application/json")
		if err != nil {
			return err
		}
		if err := r.page(answer.Body); err != nil {
			return err
		}
		ready()
		if answer.Close {
			return io.EOF
		}
	}
}

// page takes the events of one answer, and reads it to its end.
func (r *reader) page(body io.Reader) error {
	var page struct {
		Events []struct {
			ID, Event string
			Data      json.RawMessage
		}
		Cursor string
	}
	if err := json.NewDecoder(body).Decode(&page); err != nil {
		return err
	}
	at := r.now()
	for _, e := range page.Events {
		if m, ok := findMark(e.Data); ok && e.Event == r.event {
			r.tally.take(m, parsePosition([]byte(e.ID)), at)
		}
	}
	r.cursor = strings.Clone(page.Cursor)
	_, err := io.Copy(io.Discard, body)
	return err
}
