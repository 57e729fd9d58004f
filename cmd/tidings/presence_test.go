package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/store/localpg/child"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// A presence is the data of a presence event.
type presence struct {
	client.Presence
	Joined, Left []client.Viewer
}

func viewer(id string) client.Viewer { return client.Viewer{ID: id, Name: "The " + id} }

// watch opens a reader that asks for presence.
var watch = map[string]func(t *testing.T, c *client.Client, post string) *tap{
	"SSE": func(t *testing.T, c *client.Client, post string) *tap {
		return listen(t, c, "now", []string{"post:" + post}, client.WithPresence())
	},
	"Poll": pollPresence,
}

// pollPresence polls without a pause. An event that comes between two polls is lost, so after
// a poll without an event another reader comes and goes, which causes the next events.
func pollPresence(t *testing.T, c *client.Client, post string) *tap {
	t.Helper()
	topics := []string{"post:" + post}
	events := make(chan client.Event, 1000)
	inBackground(t, func(ctx context.Context) error {
		cursor := "now"
		for {
			page, err := c.Poll(ctx, topics, cursor, 3*time.Second, 0, client.WithPresence())
			if err != nil {
				return notCanceled(err)
			}
			for _, e := range page.Events {
				events <- e
			}
			if cursor != "now" && len(page.Events) == 0 {
				nudge, err := c.As("").Stream(ctx, topics, "")
				if err != nil {
					return notCanceled(err)
				}
				nudge.Close()
			}
			cursor = page.Cursor
		}
	})
	ctx := patient(t)
	return &tap{name: "poll", take: func() (client.Event, error) {
		select {
		case e := <-events:
			return e, nil
		case <-ctx.Done():
			return client.Event{}, ctx.Err()
		}
	}}
}

// notCanceled returns the error of a call that the end of the test has not canceled.
func notCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// awaitPresence reads presence events until one has so many viewers and these users.
func (x *tap) awaitPresence(t *testing.T, viewers int, users ...string) (last presence) {
	t.Helper()
	x.await(t, fmt.Sprint(viewers, " viewers, with ", users), func(e client.Event) bool {
		if e.Name != "presence" {
			return false
		}
		last = decode[presence](t, e)
		same := last.Viewers == viewers && len(last.Users) == len(users)
		for n := range users {
			same = same && last.Users[n].ID == users[n]
		}
		return same
	})
	return last
}

// Each transport watches at its own instance, and readers of both kinds come and go at both.
func TestPresence(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t), s.start(t)
	for name, open := range watch {
		t.Run("CountsTheReadersOfAllInstancesFor"+name, func(t *testing.T) {
			t.Parallel()
			post := "counts-" + name
			x := open(t, one.Client, post)
			x.awaitPresence(t, 1)
			_ = sse(t, one.as(t, "ann"), "now", "post:"+post)
			tab := sse(t, two.as(t, "ann"), "now", "post:"+post, "me")
			stream := sse(t, two.Client, "now", "post:"+post)
			x.awaitPresence(t, 3, "ann")
			polled := time.Now()
			_ = poll(t, two.as(t, "ben"), "now", "post:"+post) // one poll, which is answered at once
			joined := x.awaitPresence(t, 4, "ann", "ben")
			if name == "SSE" {
				streamtest.Want(t, "joined", joined.Joined, []client.Viewer{viewer("ben")})
			}
			tab.stream.Close() // ann has another
			stream.stream.Close()
			x.awaitPresence(t, 2, "ann")
			if since := time.Since(polled); since < 10*time.Second {
				t.Errorf("the reader of a poll is gone after %v", since)
			}
			streamtest.Eventually(t, "the other instance answers the same", func() bool { // another reader may come and go
				got, err := two.Presence(t.Context(), post)
				streamtest.Must(t, err)
				return reflect.DeepEqual(got, client.Presence{PostID: post, Viewers: 2, Users: []client.Viewer{viewer("ann")}})
			})
		})
	}
	t.Run("IsOnlyForReadersThatAskForIt", func(t *testing.T) {
		t.Parallel()
		quiet := []*tap{sse(t, one.Client, "now", "post:quiet"), sse(t, two.Client, "now", "post:quiet")}
		watch["SSE"](t, one.Client, "quiet").awaitPresence(t, 3)
		s.end(t, "post:quiet")
		for _, x := range quiet {
			for {
				e, err := x.next()
				streamtest.Must(t, err)
				if e.Name == "presence" {
					t.Errorf("got %s", e.Data)
				}
				if e.Name == theEnd {
					break
				}
			}
		}
	})
	t.Run("IsTheSameForAnInstanceThatStartsLater", func(t *testing.T) {
		t.Parallel()
		x := watch["SSE"](t, one.Client, "later")
		x.awaitPresence(t, 1)
		three := s.start(t)
		y := watch["SSE"](t, three.as(t, "cat"), "later")
		x.awaitPresence(t, 2, "cat")
		y.awaitPresence(t, 2, "cat")
		three.stop()
		left := x.awaitPresence(t, 1)
		streamtest.Want(t, "left", left.Left, []client.Viewer{viewer("cat")})
	})
	t.Run("RefusesABadCall", func(t *testing.T) {
		t.Parallel()
		_, err := one.Presence(t.Context(), "a b")
		wantProblem(t, err, 400, "invalid_id")
		_, err = one.Stream(t.Context(), []string{"post:a"}, "", client.WithParam("presence", "maybe"))
		wantProblem(t, err, 400, "malformed")
	})
}

// An instance in another process is killed while it has readers.
func TestPresence_ForgetsTheReadersOfAKilledInstance(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t), startServe(t, s)
	watchers := map[string]*tap{"SSE": watch["SSE"](t, one.Client, "p"), "Poll": watch["Poll"](t, one.as(t, "ben"), "p")}
	_ = sse(t, two.server(t).As(token(t, auth.Identity{Subject: "ann", Name: "The ann", Expires: time.Now().Add(time.Hour)})), "now", "post:p")
	_ = sse(t, two.server(t).Client, "now", "post:p")
	for _, x := range watchers {
		x.awaitPresence(t, 4, "ann", "ben")
	}
	streamtest.Must(t, two.cmd.Process.Kill())
	killed := time.Now()
	for name, x := range watchers {
		x.awaitPresence(t, 2, "ben")
		t.Logf("%s: gone after %v", name, time.Since(killed))
	}
	if gone := time.Since(killed); gone > 10*time.Second {
		t.Errorf("the readers of the killed instance are gone after %v", gone)
	}
}

// startServe runs an instance in another process until the test ends.
func startServe(t *testing.T, s *site) *program {
	t.Helper()
	addr, err := child.FreeAddress()
	streamtest.Must(t, err)
	p := &program{said: newLines(), exited: make(chan struct{}), url: "http://" + addr}
	p.cmd = exec.Command(os.Args[0], "serve", "--addr", addr, "--no-migrate")
	p.cmd.Env = append(os.Environ(), asProgram+"=1", "DATABASE_URL="+s.dsn, "TIDINGS_JWT_SECRET="+testSecret)
	p.cmd.Stderr = t.Output()
	streamtest.Must(t, p.cmd.Start())
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.exited })
	streamtest.Eventually(t, "the instance listens", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return p
}

// Each switch turns the calls and the events off, and with them all statements.
func TestSwitches(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	whole := s.start(t)
	without := s.start(t, func(i *instance) { i.Typing, i.Presence = off, off })
	readers := []*tap{watch["SSE"](t, without.as(t, "ann"), "p"), watch["Poll"](t, without.as(t, "ann"), "p")}
	y := watch["SSE"](t, whole.Client, "p")
	y.awaitPresence(t, 1) // the other instance does not count its readers
	wantProblem(t, without.as(t, "ann").Typing(t.Context(), "p"), 404, "switched_off")
	_, err := without.Presence(t.Context(), "p")
	wantProblem(t, err, 404, "switched_off")
	streamtest.Must(t, whole.as(t, "ben").Typing(t.Context(), "p"))
	y.await(t, "typing", named("typing"))
	s.end(t, "post:p")
	for _, x := range readers {
		x.await(t, "the end, before typing or presence", func(e client.Event) bool {
			if e.Name == "typing" || e.Name == "presence" {
				t.Errorf("got %s", e.Name)
			}
			return e.Name == theEnd
		})
	}
	streamtest.Want(t, "instances on the board", value[int](t, s, `select count(*) from tidings.instances`), 1)
}

// keepSignalling signals by SQL and by HTTP until the test ends.
func keepSignalling(t *testing.T, s *site, srv *server, topic string) func(ctx context.Context) error {
	service := srv.as(t, "backend", "service")
	return func(ctx context.Context) error {
		return every(ctx, 200*time.Millisecond, func() error {
			_, err := s.sql.Exec(ctx, `select tidings.signal($1, 'from.sql', '{"a": [1, 2]}')`, topic)
			return errors.Join(err, service.Signal(ctx, topic, "from.http", json.RawMessage(`{"a":[1,2]}`)))
		})
	}
}

// What the site signals reaches both transports at all instances, and is not kept.
func TestSignals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t), s.start(t)
	for _, topic := range []string{"post:signals", "user:ann"} {
		t.Run(topic, func(t *testing.T) {
			t.Parallel()
			taps := make(map[string]*tap)
			for n, srv := range []*server{one, two} {
				for name, open := range transports {
					taps[fmt.Sprint(name, n+1)] = open(t, srv.as(t, "ann"), "now", topic)
				}
			}
			inBackground(t, keepSignalling(t, s, one, topic)) // a poll gets what comes while it waits
			for _, x := range taps {
				for _, name := range []string{"from.sql", "from.http"} {
					e := x.await(t, name, named(name))
					streamtest.Want(t, "the data", string(e.Data), `{"a":[1,2]}`)
					streamtest.Want(t, "the id", e.ID, "")
					streamtest.Want(t, "the topic", e.Topic, topic)
				}
			}
			streamtest.Want(t, "the log", len(s.logged(t, topic)), 0)
		})
	}
	t.Run("AreRefusedWithAProblem", func(t *testing.T) {
		t.Parallel()
		service := one.as(t, "backend", "service")
		longest := strings.Repeat("x", 6<<10-2) // in quotes
		for _, topic := range []string{"post:p", "team:7"} {
			streamtest.Must(t, service.Signal(t.Context(), topic, "x", longest))
			wantProblem(t, service.Signal(t.Context(), topic, "x", longest+"x"), 413, "too_large")
		}
		wantProblem(t, service.Signal(t.Context(), "post:p", "typing", 1), 422, "invalid")
		wantProblem(t, service.Signal(t.Context(), "p", "x", 1), 422, "invalid")
		wantProblem(t, one.as(t, "ann").Signal(t.Context(), "post:p", "x", 1), 403, "forbidden")
		wantProblem(t, one.Signal(t.Context(), "post:p", "x", 1), 401, "unauthenticated")
	})
}
