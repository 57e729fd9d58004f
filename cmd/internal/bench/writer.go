package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// A commentWriter is a user that writes comments to one post. It bypasses net/http, to
// leave more of the machine's CPU time to the server.
type commentWriter struct {
	conn *rawConn
	head string // of each request, up to the value of Content-Length
}

// commentWriter connects user number n.
func (t *target) commentWriter(ctx context.Context, n int, post string) (*commentWriter, error) {
	token, err := t.token(fmt.Sprintf("writer-%d", n))
	if err != nil {
		return nil, err
	}
	conn, err := t.dialer.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect writer %d: %w", n, err)
	}
	return &commentWriter{conn, fmt.Sprintf(
		"POST %s/v1/posts/%s/comments HTTP/1.1\r\nHost: %s\r\nUser-Agent: tidings-bench\r\n"+
			"Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: ",
		t.dialer.base, post, t.dialer.host, token)}, nil
}

// close closes the connection.
func (w *commentWriter) close() { w.conn.close() }

// comment writes a comment that carries the mark, and returns when the server has
// acknowledged it.
func (w *commentWriter) comment(ctx context.Context, m mark) error {
	if end, ok := ctx.Deadline(); ok {
		if err := w.conn.SetDeadline(end); err != nil {
			return err
		}
	}
	body, err := json.Marshal(struct {
		Body string `json:"body"`
	}{m.String()})
	if err != nil {
		return err
	}
	answer, err := w.conn.roundTrip(fmt.Appendf(nil, "%s%d\r\n\r\n%s", w.head, len(body), body))
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
