package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// socketIO is an event stream of Socket.IO (protocol 5, over Engine.IO 4), by
// WebSocket from the start: as little of it as a subscriber needs.
type socketIO struct {
	path string // and query
}

func (s socketIO) open(r *reader, conn *rawConn) (feeder, error) {
	request := "GET " + conn.dialer.base + s.path + " HTTP/1.1\r\nHost: " + conn.dialer.host +
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGlkaW5ncyBiZW5jaG1hcg==\r\n\r\n"
	if _, err := conn.roundTrip([]byte(request)); err != nil {
		return nil, err
	}
	return &socketFeeder{reader: r}, nil
}

// longestStart is how many bytes of a payload are looked at: a mark is near its beginning.
const longestStart = 2 << 10

// A socketFeeder reads the frames of a WebSocket (RFC 6455, 5.2) as a server writes
// them, and the packets in them.
type socketFeeder struct {
	reader *reader
	head   []byte // of a frame, incomplete
	left   int    // bytes of the payload that are to come
	start  []byte // as much of the payload as is looked at
	seen   int64  // events
	reply  []byte
}

var errSocket = errors.New("the server closed the WebSocket, or sent what no subscriber expects")

func (f *socketFeeder) feed(piece []byte) ([]byte, error) {
	f.reply = f.reply[:0]
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
	return f.reply, nil
}

// frameLength is the length of the payload, as soon as the head is complete.
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

// frame takes a whole one: a packet of Engine.IO in one piece.
func (f *socketFeeder) frame(first byte, payload []byte) error {
	const wholeText = 0x81
	switch {
	case first != wholeText:
		return fmt.Errorf("%w: frame %#x", errSocket, first)
	case bytes.HasPrefix(payload, []byte("42[")): // a message, of an event
		f.event(payload[3:])
	case bytes.HasPrefix(payload, []byte("40")): // it is connected
		f.reader.ready()
	case bytes.HasPrefix(payload, []byte("0")): // the connection is open
		f.reply = appendText(f.reply, "40")
	case string(payload) == "2": // ping
		f.reply = appendText(f.reply, "3")
	default:
		return fmt.Errorf("%w: packet %.20q", errSocket, payload)
	}
	return nil
}

// event takes one: nothing numbers them, so their order is not judged.
func (f *socketFeeder) event(arguments []byte) {
	name, data, _ := bytes.Cut(arguments, []byte{','})
	if m, ok := findMark(data); ok && string(name) == `"`+f.reader.counted+`"` {
		f.seen++
		f.reader.take(m, strconv.AppendInt([]byte("1-"), f.seen, 10))
	}
}

// appendText appends a short frame as a client has to send it: masked, by zeros.
func appendText(b []byte, text string) []byte {
	b = append(b, 0x81, 0x80|byte(len(text)), 0, 0, 0, 0)
	return append(b, text...)
}
