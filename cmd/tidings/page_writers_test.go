package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// pageUsers are the users of the writers and viewers.
var pageUsers = []string{"ann", "ben", "cat"}

// pageStatuses are the statuses of comments.
var pageStatuses = []string{"published", "pending", "rejected", "spam", "deleted"}

// pageWriters write all that readers of two posts can see.
type pageWriters struct {
	site    *site
	servers []*server
	as      map[string][]*client.Client            // by user, at each server
	named   func(user, name string) *client.Client // calls as a user with another name
	randoms []*rand.Rand

	mu   sync.Mutex     // guards done
	done map[string]int // writes that succeeded, by kind
}

func newPageWriters(t *testing.T, s *site, servers []*server, seed uint64) *pageWriters {
	t.Helper()
	w := &pageWriters{site: s, servers: servers, as: make(map[string][]*client.Client), done: make(map[string]int)}
	for _, srv := range servers {
		for _, user := range pageUsers {
			w.as[user] = append(w.as[user], srv.as(t, user))
		}
		w.as["mia"] = append(w.as["mia"], srv.as(t, "mia", auth.RoleModerator))
		w.as["site"] = append(w.as["site"], srv.as(t, "site", auth.RoleService))
	}
	w.named = func(user, name string) *client.Client {
		return servers[0].As(token(t, auth.Identity{Subject: user, Name: name, Expires: time.Now().Add(time.Hour)}))
	}
	for i := range writersOfPages {
		w.randoms = append(w.randoms, rand.New(rand.NewPCG(seed, uint64(i))))
	}
	return w
}

// round makes the writes of one round, and returns when all have ended.
func (w *pageWriters) round(t *testing.T) {
	t.Helper()
	var writing errgroup.Group
	for _, random := range w.randoms {
		writing.Go(func() error {
			for range writesOfPages {
				if err := w.write(patient(t), random); err != nil {
					return err
				}
			}
			return nil
		})
	}
	streamtest.Must(t, writing.Wait())
}

// write makes one write, over HTTP or as a transaction. A refusal is no fault: the comment may
// be deleted by now, or another transaction may have locked the rows.
func (w *pageWriters) write(ctx context.Context, random *rand.Rand) error {
	p := &pageWrite{pageWriters: w, random: random, post: pagePosts[random.IntN(len(pagePosts))]}
	kind, err := "", error(nil)
	if random.IntN(2) == 0 {
		kind, err = p.overHTTP(ctx)
	} else {
		kind, err = p.inTransaction(ctx)
	}
	var problem *client.Problem
	var refusal *pgconn.PgError
	switch {
	case err == nil:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.done[kind]++
	case errors.As(err, &problem) && (problem.Status < 500 || problem.Status == http.StatusServiceUnavailable):
	case errors.As(err, &refusal) && (refusal.Code == "40P01" || refusal.Code[:2] == "23"): // deadlock, constraint
	case errors.Is(err, errNothingToDo):
	default:
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

var errNothingToDo = errors.New("nothing to do")

// A pageWrite is one write.
type pageWrite struct {
	*pageWriters
	random *rand.Rand
	post   string
}

// any returns a random comment of the post that meets an SQL condition.
func (p *pageWrite) any(ctx context.Context, condition string) (id int64, err error) {
	var ids []int64
	err = p.site.sql.QueryRow(ctx, `
		select coalesce(array_agg(id order by id), '{}')
		from tidings.comments
		where post_id = $1 and `+condition, p.post).Scan(&ids)
	if err == nil && len(ids) == 0 {
		err = errNothingToDo
	}
	if err != nil {
		return 0, err
	}
	if p.random.IntN(3) == 0 { // deep threads
		return ids[len(ids)-1], nil
	}
	return ids[p.random.IntN(len(ids))], nil
}

// user is a random user.
func (p *pageWrite) user() string { return pageUsers[p.random.IntN(len(pageUsers))] }

// body is a random text.
func (p *pageWrite) body() string { return fmt.Sprintf("*text* %d", p.random.IntN(1000)) }

// client calls a random server.
func (p *pageWrite) client(user string) *client.Client {
	return p.as[user][p.random.IntN(len(p.servers))]
}
