package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// followFunc is Follow or FollowPoll.
type followFunc = func(*Client, context.Context, []string, string, func(Event) error, ...StreamOption) error

// script is a server that handles each request with its next step, and records the
// cursor and the time of each request. The last step handles all further requests.
type script struct {
	steps   []http.HandlerFunc
	cursors []string
	times   []time.Time
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	step := s.steps[min(len(s.cursors), len(s.steps)-1)]
	s.cursors = append(s.cursors, r.URL.Query().Get("cursor")+r.Header.Get("Last-Event-Id"))
	s.times = append(s.times, time.Now())
	step(w, r)
}

// gaps returns the times between requests.
func (s *script) gaps() []time.Duration {
	var gaps []time.Duration
	for i := range s.times[1:] {
		gaps = append(gaps, s.times[i+1].Sub(s.times[i]))
	}
	return gaps
}

// says is a step that streams text and ends the stream in order.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { stream(w, text) }
}

// dies is a step that streams text and cuts the connection.
func dies(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { stream(w, text); cutOff() }
}

// fails is a step that answers with a problem.
func fails(status int, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
	}
}

// replies is a step that answers a poll with a page.
func replies(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, "application/json", body) }
}

// frame is one event of a stream.
func frame(id string) string { return "event: note\ntopic: post:42\ndata: {}\nid: " + id + "\n\n" }

var errEnough = errors.New("enough")

// follow runs the steps in a synctest bubble until the callback gets an event with the id
// last. It returns the ids that the callback got, and the error.
func follow(t *testing.T, how followFunc, s *script, from, last string, opts ...StreamOption) (ids []string, err error) {
	c, stop := servePiped(t, s.ServeHTTP)
	defer stop()
	err = how(c, t.Context(), []string{"post:42"}, from, func(ev Event) error {
		ids = append(ids, ev.ID)
		if ev.ID == last {
			return errEnough
		}
		return nil
	}, opts...)
	return ids, err
}

func TestFollowResumesFromTheLastID(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]StreamOption{"InTheAddress": nil, "InTheHeader": {WithLastEventID()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: []http.HandlerFunc{
					fails(503, ""), // no cursor is known yet
					dies(frame("1-5") + frame("1-6") + "data: {}\nid: 1-7\n"),
					says(frame("1-7")),
					says("id: 1-8\n\n"), // a cursor without an event
					says("data: {}\nid\n\n"),
					says(frame("1-9")),
				}}
				ids, err := follow(t, (*Client).Follow, s, "", "1-9", opts...)
				streamtest.Want(t, "error", err, errEnough)
				streamtest.Want(t, "ids", ids, []string{"1-5", "1-6", "1-7", "", "1-9"})
				streamtest.Want(t, "cursors", s.cursors, []string{"", "", "1-6", "1-7", "1-8", "1-8"})
			})
		})
	}
}

func TestFollowWaitsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			says("retry: 3000\n" + frame("1-5")),
			says("retry: 20000\n\n"), // as to an EventSource over a limit
			says("retry: 2000\n" + frame("1-6")),
			fails(429, "40"),
			says(frame("1-7")),
			says(frame("1-8")),
		}}
		var told []time.Duration
		_, err := follow(t, (*Client).Follow, s, "", "1-8",
			WithRetryFunc(func(err error, wait time.Duration) { told = append(told, wait) }))
		streamtest.Want(t, "error", err, errEnough)
		streamtest.Want(t, "what was told", told, s.gaps())
		for i, least := range []time.Duration{3, 20, 2, 40, 2} {
			least *= time.Second
			if gap := s.gaps()[i]; gap < least || gap >= least+2*backoffBase {
				t.Errorf("gap %d is %v, want %v and a little", i, gap, least)
			}
		}
	})
}

func TestFollowBacksOffFromAServerThatIsDown(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]followFunc{"Stream": (*Client).Follow, "Poll": (*Client).FollowPoll} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: []http.HandlerFunc{fails(503, "")}}
				c, stop := servePiped(t, s.ServeHTTP)
				defer stop()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				err := how(c, ctx, []string{"me"}, "", func(Event) error { return nil })
				streamtest.Want(t, "error", err, context.DeadlineExceeded)
				var late time.Duration
				for i, gap := range s.gaps() {
					if most := min(backoffCeiling, backoffBase<<min(i, 20)); gap >= most {
						t.Errorf("gap %d is %v, want less than %v", i, gap, most)
					}
					late = max(late, gap)
				}
				// In one hour, waits of 15 s on average are about 240 attempts.
				if len(s.times) < 120 || len(s.times) > 480 || late < backoffCeiling/2 {
					t.Errorf("%d attempts, at most %v apart", len(s.times), late)
				}
			})
		})
	}
}

func TestBackoffIsResetByAnEvent(t *testing.T) {
	t.Parallel()
	b := backoff{}
	for range 20 {
		b.next(io.EOF)
	}
	b.reset()
	if wait := b.next(io.EOF); wait >= backoffBase {
		t.Errorf("got %v", wait)
	}
}

func TestFollowReturnsPermanentErrors(t *testing.T) {
	t.Parallel()
	html := func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, "text/html", "<html>") }
	tests := map[string]struct {
		step http.HandlerFunc
		ends func(error) bool
	}{
		"NoStream": {html, func(err error) bool { return errors.Is(err, ErrNotStream) }},
		"TooLarge": {says("data: 12345678\n\n"), func(err error) bool { return errors.Is(err, ErrBlockTooLarge) }},
	}
	for _, status := range []int{204, 400, 401, 403, 404, 406} {
		name := fmt.Sprint(status)
		tests[name] = struct {
			step http.HandlerFunc
			ends func(error) bool
		}{fails(status, ""), func(err error) bool {
			var p *Problem
			return errors.As(err, &p) && p.Status == status
		}}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: []http.HandlerFunc{tt.step}}
				_, err := follow(t, (*Client).Follow, s, "", "", WithMaxBlock(10))
				if !tt.ends(err) || len(s.times) != 1 {
					t.Errorf("got %v after %d attempts", err, len(s.times))
				}
			})
		})
	}
}

func TestFollowReconnectsAfterSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []http.HandlerFunc{
			func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			func(w http.ResponseWriter, r *http.Request) {
				stream(w, ready) // announces a heartbeat every 15 s
				<-r.Context().Done()
			},
			says(frame("1-6")),
		}}
		var causes []error
		_, err := follow(t, (*Client).Follow, s, "", "1-6",
			WithRetryFunc(func(err error, _ time.Duration) { causes = append(causes, err) }))
		streamtest.Want(t, "error", err, errEnough)
		streamtest.Want(t, "cursors", s.cursors, []string{"", "", "1-5"})
		for i, least := range []time.Duration{openLimit, 35*time.Second + 3127*time.Millisecond} {
			if gap := s.gaps()[i]; gap < least || gap >= least+2*backoffBase || !errors.Is(causes[i], ErrSilent) {
				t.Errorf("connection %d ended after %v: %v", i, gap, causes[i])
			}
		}
	})
}

func TestContextEndsAFollow(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]http.HandlerFunc{"Reading": quiet, "Resting": says("retry: 60000\ndata: {}\n\n")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, stop := servePiped(t, step)
				defer stop()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				err := c.Follow(ctx, []string{"me"}, "", func(Event) error { return nil })
				streamtest.Want(t, "error", err, ctx.Err())
			})
		})
	}
}
