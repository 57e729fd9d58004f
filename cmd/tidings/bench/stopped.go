package bench

import (
	"context"
	"errors"
	"net"
)

// smallWindow is what a stopped reader's socket takes, in bytes, so that it is full soon.
const smallWindow = 4 << 10

// stop connects readers who ask for a post's stream, and read nothing of it: the server
// must not let them hurt those who do. It returns what closes them.
func (t *target) stop(ctx context.Context, n int, post string) (end func(), err error) {
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
			err = c.askAndStop("/v1/events?topic=post:" + post)
		}
		if err != nil {
			end()
			return nil, err
		}
	}
	return end, nil
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
