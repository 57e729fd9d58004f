package bench

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// frameOf returns a frame of text as a server writes it.
func frameOf(payload string) string {
	switch n := len(payload); {
	case n < 126:
		return "\x81" + string(rune(n)) + payload
	case n < 1<<16:
		return "\x81\x7e" + string(binary.BigEndian.AppendUint16(nil, uint16(n))) + payload
	default:
		return "\x81\x7f" + string(binary.BigEndian.AppendUint64(nil, uint64(n))) + payload
	}
}

func TestSocketFeeder_CountsEvents(t *testing.T) {
	t.Parallel()
	event := func(name string, n int, length int) string {
		return frameOf(`42["` + name + `",{"text":"` + mark{n, 1000}.String() + strings.Repeat("x", length) + `"}]`)
	}
	text := frameOf(`0{"sid":"a","upgrades":[],"pingInterval":25000}`) + frameOf(`40{"sid":"b"}`) +
		event("bench.message", 0, 0) + frameOf("2") + event("bench.message", 1, 200) + event("other", 2, 0) +
		event("bench.message", 2, 1<<16) + event("bench.message", 3, 0)
	for _, size := range []int{1, 2, 3, 7, 100, 5000, len(text)} {
		r := listening()
		f := &socketFeeder{socketPackets: socketPackets{reader: r}}
		var replies strings.Builder
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			reply, err := f.feed([]byte(rest[:n]))
			streamtest.Must(t, err)
			replies.Write(reply)
			rest = rest[n:]
		}
		streamtest.Want(t, "replies", replies.String(), "\x81\x82\x00\x00\x00\x0040"+"\x81\x81\x00\x00\x00\x003")
		streamtest.Want(t, "times ready", r.pool.becameLive.Load(), 1)
		seen := r.tally.finish([]int{0, 1, 2, 3}, 4)
		streamtest.Want(t, "faults", seen.faults, Faults{})
		streamtest.Want(t, "latencies", seen.latency, []time.Duration{2000, 2000, 2000, 2000})
	}
}

func TestSocketFeeder_RefusesOtherFrames(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\x88\x02\x03\xe8", "\x82\x01a", "\x01\x01a", frameOf("1"), frameOf("41"), frameOf("44{}")} {
		f := &socketFeeder{socketPackets: socketPackets{reader: listening()}}
		if _, err := f.feed([]byte(text)); !errors.Is(err, errSocket) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
