package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// socketIO is the event stream of a Socket.IO server: protocol 5 over Engine.IO 4, by
// WebSocket. It implements the part that a subscriber to one namespace needs.
type socketIO struct {
	path string // with the query
}

// open implements [protocol]: it upgrades the connection to WebSocket.
func (s socketIO) open(r *reader, conn *rawConn) (feeder, error) {
	request := "GET " + conn.dialer.base + s.path + " HTTP/1.1\r\nHost: " + conn.dialer.host +
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGlkaW5ncyBiZW5jaG1hcg==\r\n\r\n"
	if _, err := conn.roundTrip([]byte(request)); err != nil {
		return nil, err
	}
	return &socketFeeder{socketPackets: socketPackets{reader: r}}, nil
}

// longestStart is how many bytes of a frame's payload are kept: the mark is near its
// beginning.
const longestStart = 2 << 10

// socketPackets handles the packets of Engine.IO and Socket.IO that come from a server.
type socketPackets struct {
	reader *reader
	seen   int64  // number of events so far
	reply  string // packet to send; "": none
}

// A socketFeeder parses the frames of a WebSocket (RFC 6455, section 5.2) that come from a
// server, and the Socket.IO packets in them.
type socketFeeder struct {
	socketPackets
	head   []byte // header of the current frame, perhaps incomplete
	left   int    // bytes of the payload that have not arrived
	start  []byte // first bytes of the payload
	frames []byte // to send, reused
}

var errSocket = errors.New("the server closed the WebSocket or sent an unexpected packet")

// feed implements [feeder]. The replies connect the namespace and answer pings.
func (f *socketFeeder) feed(piece []byte) ([]byte, error) {
	f.frames = f.frames[:0]
	for len(piece) > 0 {
		if f.left == 0 {
			f.head = append(f.head, piece[0])
			piece = piece[1:]
			if length, ok := frameLength(f.head); ok {
				f.left = length
			} else {
				continue
			}
		}
		n := min(f.left, len(piece))
		f.start = append(f.start, piece[:min(n, max(0, longestStart-len(f.start)))]...)
		f.left -= n
		piece = piece[n:]
		if f.left == 0 {
			if err := f.frame(f.head[0], f.start); err != nil {
				return nil, err
			}
			f.head, f.start = f.head[:0], f.start[:0]
		}
	}
	return f.frames, nil
}

// frameLength returns the length of the payload, or false if the header is incomplete.
func frameLength(head []byte) (n int, ok bool) {
	if len(head) < 2 {
		return 0, false
	}
	switch n = int(head[1]); {
	case n == 126 && len(head) == 4:
		return int(binary.BigEndian.Uint16(head[2:])), true
	case n == 127 && len(head) == 10:
		return int(binary.BigEndian.Uint64(head[2:]) & 0x7fffffff), true
	default:
		return n, n < 126
	}
}

// frame handles a complete frame, which must be one packet of Engine.IO as text.
func (f *socketFeeder) frame(first byte, payload []byte) error {
	const wholeText = 0x81
	if first != wholeText {
		return fmt.Errorf("%w: frame %#x", errSocket, first)
	}
	err := f.packet(payload)
	if f.reply != "" {
		f.frames = appendText(f.frames, f.reply)
		f.reply = ""
	}
	return err
}

// packet handles a packet of Engine.IO.
func (f *socketPackets) packet(payload []byte) error {
	switch {
	case bytes.HasPrefix(payload, []byte("42[")): // an event
		f.event(payload[3:])
	case bytes.HasPrefix(payload, []byte("40")): // the namespace is connected
		f.reader.ready()
	case bytes.HasPrefix(payload, []byte("0")): // the connection is open
		f.reply = "40"
	case string(payload) == "2": // ping
		f.reply = "3"
	default:
		return fmt.Errorf("%w: packet %.20q", errSocket, payload)
	}
	return nil
}

// event counts one event. Socket.IO has no ids, so events get the numbers of their
// arrival and are never reordered.
func (f *socketPackets) event(arguments []byte) {
	name, data, _ := bytes.Cut(arguments, []byte{','})
	if m, ok := findMark(data); ok && string(name) == `"`+f.reader.counted+`"` {
		f.seen++
		f.reader.take(m, strconv.AppendInt([]byte("1-"), f.seen, 10))
	}
}

// appendText appends a frame of less than 126 bytes of text. A client has to mask its
// frames; the mask is zero.
func appendText(b []byte, text string) []byte {
	b = append(b, 0x81, 0x80|byte(len(text)), 0, 0, 0, 0)
	return append(b, text...)
}
