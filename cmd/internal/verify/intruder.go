package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tidings-live/tidings/api/client"
)

// An intruder tries to read what is another user's, by every way in. Whatever lets
// it in has leaked, even if nothing came yet.
type intruder struct {
	cast   cast
	ways   []way
	random *rand.Rand
	tally  *tally
	live   *counters

	turnedAway int64 // how often it was refused, as it must be
}

// A way in is one server as somebody who may not.
type way struct {
	who    string
	door   *client.Client
	victim string
	status int // of the refusal
}

// intrude makes the ways: as another user and as nobody, at every server.
func (c cast) ways(doors []*client.Client) ([]way, error) {
	var all []way
	for _, door := range doors {
		for i, victim := range c.users {
			other := "verify-" + c.run + "-stranger"
			if len(c.users) > 1 {
				other = c.users[(i+1)%len(c.users)]
			}
			token, err := c.token(other)
			if err != nil {
				return nil, err
			}
			all = append(all,
				way{other, door.As(token), victim, http.StatusForbidden},
				way{"nobody", door.As(""), victim, http.StatusUnauthorized})
		}
	}
	return all, nil
}

// run tries until ctx ends.
func (i *intruder) run(ctx context.Context) {
	for ctx.Err() == nil {
		i.try(ctx, i.ways[i.random.IntN(len(i.ways))])
		pause(ctx, time.Duration(i.random.Int64N(int64(200*time.Millisecond))))
	}
}

func (i *intruder) try(ctx context.Context, w way) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	topics := []string{"user:" + w.victim}
	if i.random.IntN(2) == 0 { // hidden behind one that is everybody's
		topics = append([]string{"post:" + i.cast.posts[0]}, topics...)
	}
	cursor := []string{"now", "earliest", "1-0"}[i.random.IntN(3)]
	how, err := i.read(ctx, w.door, topics, cursor)
	if err == nil {
		i.tally.count(leaked, 1, "%s let %s read user:%s", how, w.who, w.victim)
		return
	}
	var p *client.Problem
	switch {
	case !errors.As(err, &p): // a broken connection let nobody in either
	case p.Status == w.status:
		i.turnedAway++
	default:
		i.live.problem(fmt.Errorf("as intruder, want %d: %w", w.status, err))
	}
}

func (i *intruder) read(ctx context.Context, door *client.Client, topics []string, cursor string) (how string, err error) {
	switch i.random.IntN(3) {
	case 0:
		_, err = door.Poll(ctx, topics, cursor, 0, 0)
		return "poll", err
	case 1:
		_, err = door.Ticket(ctx, topics)
		return "ticket", err
	}
	s, err := door.Stream(ctx, topics, cursor)
	if err != nil {
		return "stream", err
	}
	return "stream", s.Close()
}
