package bench

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
)

// tokenTTL is longer than any measurement takes.
const tokenTTL = 12 * time.Hour

// A target is the server that is measured, seen from here.
type target struct {
	url    string
	secret string
	dsn    string // "" when the database is not known
	pid    int    // 0 when it is not known, or not on this machine
	master int    // process of the database, when that is on this machine and no child of the server
	family bool   // whether the children of that process are the server, too
	epoch  time.Time
	run    string // keeps the posts of this run apart from those of others
	wire   *wire
	client *client.Client
	out    printer
}

func newTarget(url, secret string, out printer) (*target, error) {
	c, err := client.New(url)
	if err != nil {
		return nil, err
	}
	wire, err := newWire(url)
	if err != nil {
		return nil, err
	}
	return &target{
		url: url, secret: secret, epoch: time.Now(), run: strings.ToLower(rand.Text()[:8]), wire: wire, client: c, out: out,
	}, nil
}

func (t *target) close() { t.client.CloseIdleConnections() }

// now is the clock of all figures: readers and writers share this process.
func (t *target) now() time.Duration { return time.Since(t.epoch) }

// post is the id of a post that nobody else writes to.
func (t *target) post(what string, i int) string {
	return fmt.Sprintf("bench-%s-%s-%d", t.run, what, i)
}

func (t *target) token(sub string, roles ...string) (string, error) {
	return auth.SignToken(t.secret, auth.Identity{
		Subject: "bench-" + t.run + "-" + sub, Name: "Bench " + sub, Roles: roles, Expires: time.Now().Add(tokenTTL),
	})
}

// writers are clients of as many users, over shared connections.
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
