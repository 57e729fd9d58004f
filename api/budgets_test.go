package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/internal/limit"
	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// Requests that wait for the database use up the budget of their own address only.
func TestRequestsThatNeedRows_AreBoundedByAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(Limits{Streams: 1000}))
	r.write(t, "1", "ann", `{"body":"Hello"}`)
	admin := []string{"Authorization: Bearer " + token(t, "root", auth.RoleAdmin), "Content-Type: application/json", "Content-Length: 2", "", "{}"}
	lines := []string{
		"GET /v1/counts?post=1", "GET /v1/posts/1", "PUT /v1/posts/1",
		"GET /v1/comments/1", "DELETE /v1/comments/1", "GET /v1/events?topic=room:1&ticket=none",
	}
	ask := func(line, ip string) *wire {
		w, headers := r.dialFrom(t, ip), []string{"Connection: close"}
		if !strings.HasPrefix(line, "GET") {
			headers = append(headers, admin...)
		}
		w.ask(line+" HTTP/1.1", headers...)
		return w
	}
	tx, err := r.sql.Begin(t.Context())
	streamtest.Must(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	_, err = tx.Exec(t.Context(), `lock table tidings.counts, tidings.posts, tidings.comments, tidings.tickets in access exclusive mode`)
	streamtest.Must(t, err)
	const most = 8 << 20 / maxRowAnswer
	for _, line := range lines {
		streamtest.Eventually(t, "one more is refused: "+line, func() bool {
			for i := range most { // those of the last round end after 10 s
				ask(lines[i%len(lines)], "127.0.0.2")
			}
			answer, err := io.ReadAll(ask(line, "127.0.0.2"))
			streamtest.Must(t, err)
			return strings.Contains(string(answer), "too many answers to this address")
		})
	}
	others := make(map[string]*wire)
	for _, line := range lines {
		others[line] = ask(line, "127.0.0.3")
	}
	streamtest.Must(t, tx.Rollback(t.Context()))
	for line, other := range others { // it may have ended after 10 s, but it was not refused
		answer, err := io.ReadAll(other)
		streamtest.Must(t, err)
		if strings.Contains(string(answer), "too many answers") {
			t.Errorf("%s: the answer at another address is %s", line, answer)
		}
	}
}

// A request counts for its address until its handler returns, also if it waits for a body.
func TestRequestsInProgress_AreBoundedByAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(Limits{PerAddress: 1}))
	token := token(t, "bot", auth.RoleService)
	body, end := io.Pipe()
	ask := func(address string, body io.Reader) int {
		w, req := httptest.NewRecorder(), httptest.NewRequest("POST", "/v1/publish", body)
		req.RemoteAddr = address + ":4711"
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		r.Server.ServeHTTP(w, req)
		return w.Code
	}
	const most = 1 + 256
	var waiting sync.WaitGroup
	var refused atomic.Int64
	for range most + 1 {
		waiting.Go(func() {
			if ask("192.0.2.1", body) == http.StatusTooManyRequests {
				refused.Add(1)
			}
		})
	}
	streamtest.Eventually(t, "one is refused", func() bool { return r.refused(t, limit.AddressRequests) == 1 })
	streamtest.Want(t, "status at another address", ask("192.0.2.2", strings.NewReader("{}")), 422)
	end.CloseWithError(errors.New("the client has left"))
	waiting.Wait()
	streamtest.Want(t, "refused requests", refused.Load(), 1)
	streamtest.Want(t, "status afterwards", ask("192.0.2.1", strings.NewReader("{}")), 422)
}

// A slowDatabase is a pinger and a prober that waits for answer.
type slowDatabase struct {
	asked  atomic.Int64
	answer chan struct{}
}

func (d *slowDatabase) Ping(context.Context) error          { d.asked.Add(1); <-d.answer; return nil }
func (d *slowDatabase) CheckSchema(context.Context) error   { return nil }
func (d *slowDatabase) CheckOwner(context.Context) error    { return nil }
func (d *slowDatabase) CheckTriggers(context.Context) error { return nil }
func (d *slowDatabase) WriteError() error                   { return nil }
func (d *slowDatabase) Probe(context.Context) error         { return nil }
func (d *slowDatabase) Stats() store.ListenerStats          { return store.ListenerStats{} }

// Requests for /readyz at the same time share one check, and the next one begins another.
func TestReady_ChecksOnceForAllThatWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &slowDatabase{answer: make(chan struct{})}
		h := &healthHandlers{store: db, listener: db, hub: func() error { return nil }, stopping: new(atomic.Bool)}
		ask := func() {
			if failed, err := h.check(); err != nil {
				t.Error(failed, err)
			}
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(ask)
		}
		synctest.Wait()
		streamtest.Want(t, "questions to the database", db.asked.Load(), 1)
		close(db.answer)
		all.Wait()
		ask()
		streamtest.Want(t, "questions to the database", db.asked.Load(), 2)
	})
}
