package client

import (
	"context"
	"net/http"
)

// Connection is what the server knows of the way that a request took. Proxies between
// the caller and the server decide most of it.
type Connection struct {
	Address        string   `json:"address"`        // the caller's, by which limits count
	Peer           string   `json:"peer"`           // host:port of the caller, or of the last proxy
	Host           string   `json:"host"`           // as the request had it
	Protocol       string   `json:"protocol"`       // of the connection to the peer, such as HTTP/1.1
	ForwardedFor   []string `json:"forwardedFor"`   // the lines of X-Forwarded-For
	ForwardedHost  []string `json:"forwardedHost"`  // the lines of X-Forwarded-Host
	ForwardedProto []string `json:"forwardedProto"` // the lines of X-Forwarded-Proto
	Via            []string `json:"via"`            // the lines of Via
}

// Connection returns what the server knows of this very request. The caller must have
// the role service or admin.
func (c *Client) Connection(ctx context.Context) (Connection, error) {
	var seen Connection
	err := c.do(ctx, call{act: "read connection", method: http.MethodGet, path: "/v1/connection", out: &seen})
	return seen, err
}
