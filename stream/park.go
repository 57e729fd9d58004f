package stream

import (
	"net"
	"time"
)

// Parking says what a reader who waits is waiting for.
type Parking struct {
	Until time.Time // when the wait is over
	Limit int       // of frames in the answer
	// Answer encodes the answer with all that goes around it: the frames, at least one
	// unless the wait was over or err says why there is none: context.Canceled when the
	// reader may have gone. Keep: the connection will be kept. It must not block.
	Answer func(frames []*Frame, err error, keep bool) []byte
	// Done is called once, with the connection when it is to be kept and is as good as
	// before. It must not block.
	Done func(conn net.Conn)
	// Keep the connection when the answer was written, if it is as good as before.
	Keep bool
}
