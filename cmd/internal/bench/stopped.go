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
	// smallWindow is what a stopped reader's socket takes, in bytes, so that it is full soon.
	smallWindow = 4 << 10
	// What is published to stopped readers alone, so that it is full from the beginning.
	fillers, fillerBytes = 20, 50_000
)

// stop connects readers who ask for a post's stream, and read nothing of it: the server
// must not let them hurt those who do. It waits until their sockets take no more, and
// returns what closes them.
func (t *target) stop(ctx context.Context, n int, post string, by *client.Client) (end func(), err error) {
	var all []*wireConn
	end = func() {
		for _, c := range all {
			c.close()
		}
	}
	for range n {
		c, err := t.wire.dial(ctx)
		if err == nil {
			all = append(all, c)
			err = c.askAndStop("/v1/events?topic=post:" + post + "&topic=post:" + post + "-filler")
		}
		if err != nil {
			end()
			return nil, err
		}
	}
	if n == 0 {
		return end, nil
	}
	if err := t.fill(ctx, n, "post:"+post+"-filler", by); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

// fill publishes until so many readers leave something unsent. From then on the server
// has its patience with them, and then cuts them.
func (t *target) fill(ctx context.Context, n int, topic string, by *client.Client) error {
	filler := json.RawMessage(`"` + strings.Repeat("x", fillerBytes) + `"`)
	return until(ctx, func() bool {
		own := t.gauges(ctx)
		if own == nil || int(own["tidings_stream_unsent_bytes"]) >= n {
			return true // or nobody can tell
		}
		for range fillers {
			if by.Publish(ctx, topic, eventName, filler) != nil {
				break // the measurement will tell
			}
		}
		return false
	})
}

func (c *wireConn) askAndStop(path string) error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return errors.New("a reader can only stop over plain HTTP")
	}
	if err := tcp.SetReadBuffer(smallWindow); err != nil {
		return err
	}
	_, err := c.Write(c.wire.get(path, "", "text/event-stream", ""))
	return err
}
