package stream

import (
	"strconv"
	"time"
)

// Heartbeat is what a stream sends when it is quiet: a comment line without a blank line,
// because some clients take a blank line for an event.
var Heartbeat = []byte(":\n")

// Ping is a heartbeat that JavaScript can see.
func Ping() []byte {
	return control(PingName, Cursor{}, 0, struct{}{})
}

// Ready is the first block of a stream: the cursor at which the stream begins, its
// heartbeat and maximum age in seconds, and the id of the user that reads; "" is written as
// null. retry is the time after which an EventSource
// reconnects. It is random, so that readers do not all return at the same time.
func Ready(at Cursor, heartbeat, maxAge, retry time.Duration, user string) []byte {
	var reader *string
	if user != "" {
		reader = &user
	}
	return control(ReadyName, at, retry, struct {
		Cursor    Cursor  `json:"cursor"`
		Heartbeat int     `json:"heartbeat"`
		MaxAge    int     `json:"maxAge"`
		User      *string `json:"user"`
	}{at, seconds(heartbeat), seconds(maxAge), reader})
}

// Gap tells a reader that exact resume was impossible, and at which cursor the stream
// continues.
func Gap(gap *GapError) []byte {
	return control(GapName, gap.Resumed, 0, struct {
		Reason  GapReason `json:"reason"`
		From    Cursor    `json:"from"`
		Resumed Cursor    `json:"resumed"`
	}{gap.Reason, gap.From, gap.Resumed})
}

// Checkpoint moves the cursor of a quiet reader on.
func Checkpoint(at Cursor) []byte {
	return control(CheckpointName, at, 0, struct {
		Cursor Cursor `json:"cursor"`
	}{at})
}

// Expiring warns that the token, and the stream with it, ends after the time left.
func Expiring(at Cursor, left time.Duration) []byte {
	return control(ExpiringName, at, 0, struct {
		Seconds int `json:"seconds"`
	}{seconds(left)})
}

// Bye is the last block of a stream. The retry is random, so that readers do not all
// return at the same time.
func Bye(at Cursor, reason End, retry time.Duration) []byte {
	return control(ByeName, at, retry, struct {
		Reason End `json:"reason"`
	}{reason})
}

// control encodes a control event, after a retry field if retry is not 0. It has no
// topic, and no id if the cursor is zero.
func control(name Name, at Cursor, retry time.Duration, data any) []byte {
	var b []byte
	if retry > 0 {
		b = appendField(b, "retry", strconv.FormatInt(retry.Milliseconds(), 10))
	}
	return appendBlock(b, Event{Name: name, Cursor: at}, MustData(data).json)
}

func seconds(d time.Duration) int { return int(d.Round(time.Second) / time.Second) }
