package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

// forbiddenLimit is how long the server may take to refuse a read.
const forbiddenLimit = 5 * time.Second

// An unauthorizedReader tries to read private topics of other users, by stream,
// long-poll and ticket. An accepted request is a leak, even if it delivers no event.
type unauthorizedReader struct {
	participants participants
	forbidden    []forbiddenTopic
	random       *rand.Rand
	findings     *findings
	progress     *progress

	refusals int64 // number of refused reads; owned by run
}

// A forbiddenTopic is a private topic at one server, as a user who may not read it.
type forbiddenTopic struct {
	user   string
	server *client.Client // as that user
	owner  string         // of the topic
	status int            // of the expected refusal
}

// run tries a random topic several times a second until ctx ends.
func (u *unauthorizedReader) run(ctx context.Context) {
	for ctx.Err() == nil {
		u.try(ctx, u.forbidden[u.random.IntN(len(u.forbidden))])
		pause(ctx, time.Duration(u.random.Int64N(int64(200*time.Millisecond))))
	}
}

// try requests the topic, in half of the tries after a public topic. A broken
// connection is neither a leak nor a refusal.
func (u *unauthorizedReader) try(ctx context.Context, f forbiddenTopic) {
	ctx, cancel := context.WithTimeout(ctx, forbiddenLimit)
	defer cancel()
	topics := []string{"user:" + f.owner}
	if u.random.IntN(2) == 0 {
		topics = append([]string{"post:" + u.participants.posts[0]}, topics...)
	}
	cursor := []string{"now", "earliest", "1-0"}[u.random.IntN(3)]
	way, err := u.read(ctx, f.server, topics, cursor)
	if err == nil {
		u.findings.add(leaked, 1, "%s: %s could read user:%s", way, f.user, f.owner)
		return
	}
	var p *client.Problem
	switch {
	case !errors.As(err, &p):
	case p.Status == f.status:
		u.refusals++
	default:
		u.progress.problem(fmt.Errorf("unauthorized read, want status %d: %w", f.status, err))
	}
}

// read makes one request in a random way. It returns nil if the server accepted it.
func (u *unauthorizedReader) read(ctx context.Context, server *client.Client, topics []string, cursor string) (way string, err error) {
	switch u.random.IntN(3) {
	case 0:
		_, err = server.Poll(ctx, topics, cursor, 0, 0)
		return "poll", err
	case 1:
		_, err = server.Ticket(ctx, topics)
		return "ticket", err
	}
	s, err := server.Stream(ctx, topics, cursor)
	if err != nil {
		return "stream", err
	}
	return "stream", s.Close()
}
