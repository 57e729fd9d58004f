package reach

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

// Limit is how long a server or a database may take for one answer.
const Limit = 10 * time.Second

// Server returns nil if the server at the URL answers as Tidings does.
func Server(ctx context.Context, url string, c *client.Client) error {
	return Ask(ctx, url, func(ctx context.Context) error {
		_, err := c.Counts(ctx, "reach")
		return err
	})
}

// Ask makes one request to the server at the URL. Its error names the URL, unless ctx
// ended, and wraps the error of the request.
func Ask(ctx context.Context, url string, request func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	err := request(limited)
	var p *client.Problem
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("%s does not answer within %v: %w", url, Limit, err)
	case !errors.As(err, &p):
		return fmt.Errorf("%s does not answer as Tidings does: %w", url, err)
	case p.Code == "":
		return fmt.Errorf("%s is not the address of Tidings: %w", url, err)
	case p.Status == http.StatusUnauthorized:
		return fmt.Errorf("%s does not accept the token: was it signed with another secret? %w", url, err)
	}
	return fmt.Errorf("%s: %w", url, err)
}
