package bench

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"

	"github.com/tidings-live/tidings/api/client"
)

const (
	smallWindow = 4 << 10 // bytes of a stopped reader's receive buffer: it is full soon
	fillers     = 20      // events that are published to stopped readers between two checks
	fillerBytes = 50_000  // bytes of such an event
)

// connectStopped connects n readers of the post that send the request and never read
// the response. It returns when their sockets are full: from then on the server has to
// deliver to the other readers in spite of them. end closes the connections.
func (t *target) connectStopped(ctx context.Context, n int, post string, by *client.Client) (end func(), err error) {
	var all []*rawConn
	end = func() {
		for _, c := range all {
			c.close()
		}
	}
	for range n {
		c, err := t.dialer.dial(ctx)
		if err == nil {
			all = append(all, c)
			err = c.sendAndStop("/v1/events?topic=post:" + post + "&topic=post:" + post + "-filler")
		}
		if err != nil {
			end()
			return nil, err
		}
	}
	if n == 0 {
		return end, nil
	}
	if err := t.fillStopped(ctx, n, "post:"+post+"-filler", by); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

// fillStopped publishes to a topic that only the n stopped readers have, until the server
// has at least n bytes that it cannot send. The server then cuts off the stopped readers
// when their time to read is over. A server without metrics is not waited for.
func (t *target) fillStopped(ctx context.Context, n int, topic string, by *client.Client) error {
	filler := json.RawMessage(`"` + strings.Repeat("x", fillerBytes) + `"`)
	return until(ctx, func() bool {
		own := t.gauges(ctx)
		if own == nil || int(own["tidings_stream_unsent_bytes"]) >= n {
			return true
		}
		for range fillers {
			if by.Publish(ctx, topic, eventName, filler) != nil {
				break // a server that does not answer fails the measurement that follows
			}
		}
		return false
	})
}

// sendAndStop requests a stream, whose bytes remain in the socket's small buffer.
func (c *rawConn) sendAndStop(path string) error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return errors.New("stopped readers need a server without TLS")
	}
	if err := tcp.SetReadBuffer(smallWindow); err != nil {
		return err
	}
	_, err := c.Write(c.dialer.get(path, "", "text/event-stream", ""))
	return err
}
