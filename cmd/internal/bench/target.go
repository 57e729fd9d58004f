package bench

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
)

// tokenTTL is longer than any benchmark.
const tokenTTL = 12 * time.Hour

// A target is the server that is measured.
type target struct {
	url             string
	secret          string // signs the tokens of readers and writers
	dsn             string // "" if the database is not known
	pid             int    // 0 if the server's process is not known or not on this machine
	postmaster      int    // Postgres' process if it is on this machine and not a child of pid, else 0
	includeChildren bool   // child processes of pid belong to the server
	epoch           time.Time
	run             string // random; part of the names of posts and users
	dialer          *dialer
	client          *client.Client
	out             printer
}

// newTarget returns a target without a process and a database. It does not connect.
func newTarget(url, secret string, out printer) (*target, error) {
	c, err := client.New(url)
	if err != nil {
		return nil, err
	}
	dialer, err := newDialer(url)
	if err != nil {
		return nil, err
	}
	return &target{
		url: url, secret: secret, epoch: time.Now(), run: strings.ToLower(rand.Text()[:8]), dialer: dialer, client: c, out: out,
	}, nil
}

// close closes idle connections of the target's HTTP client.
func (t *target) close() { t.client.CloseIdleConnections() }

// now returns the time since the target was made. Readers and writers share this clock.
func (t *target) now() time.Duration { return time.Since(t.epoch) }

// post returns the id of a post that only this run uses.
func (t *target) post(what string, i int) string {
	return fmt.Sprintf("bench-%s-%s-%d", t.run, what, i)
}

// token returns a token of a user of this run, which is valid for tokenTTL.
func (t *target) token(sub string, roles ...string) (string, error) {
	return auth.SignToken(t.secret, auth.Identity{
		Subject: "bench-" + t.run + "-" + sub, Name: "Bench " + sub, Roles: roles, Expires: time.Now().Add(tokenTTL),
	})
}

// writers returns clients of n users. They share connections.
func (t *target) writers(n int, roles ...string) ([]*client.Client, error) {
	all := make([]*client.Client, n)
	for i := range all {
		token, err := t.token(fmt.Sprintf("writer-%d", i), roles...)
		if err != nil {
			return nil, err
		}
		all[i] = t.client.As(token)
	}
	return all, nil
}
