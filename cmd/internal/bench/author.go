package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// An author writes comments over a bare connection: the client shares the machine with
// the server that it measures.
type author struct {
	conn *wireConn
	head string // of its requests, up to the body's length
}

// author has a user connect who writes to a post.
func (t *target) author(ctx context.Context, n int, post string) (*author, error) {
	token, err := t.token(fmt.Sprintf("writer-%d", n))
	if err != nil {
		return nil, err
	}
	conn, err := t.wire.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect writer %d: %w", n, err)
	}
	return &author{conn, fmt.Sprintf(
		"POST %s/v1/posts/%s/comments HTTP/1.1\r\nHost: %s\r\nUser-Agent: tidings-bench\r\n"+
			"Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: ",
		t.wire.base, post, t.wire.host, token)}, nil
}

func (a *author) close() { a.conn.close() }

// comment writes one, and returns when it is answered.
func (a *author) comment(ctx context.Context, m mark) error {
	if end, ok := ctx.Deadline(); ok {
		if err := a.conn.SetDeadline(end); err != nil {
			return err
		}
	}
	body, err := json.Marshal(struct {
		Body string `json:"body"`
	}{m.String()})
	if err != nil {
		return err
	}
	answer, err := a.conn.ask(fmt.Appendf(nil, "%s%d\r\n\r\n%s", a.head, len(body), body))
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
