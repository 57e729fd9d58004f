package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidings-live/tidings/api/auth"
	"github.com/tidings-live/tidings/api/client"
	"github.com/tidings-live/tidings/stream/streamtest"
)

// reads are the ways to read a topic.
var reads = map[string]func(t *testing.T, c *client.Client, topic string) error{
	"Events": func(t *testing.T, c *client.Client, topic string) error {
		s, err := c.Stream(patient(t), []string{topic}, "earliest")
		if err != nil {
			return err
		}
		return s.Close()
	},
	"Poll": func(t *testing.T, c *client.Client, topic string) error {
		_, err := c.Poll(patient(t), []string{topic}, "earliest", 0, 0)
		return err
	},
	"Ticket": func(t *testing.T, c *client.Client, topic string) error {
		_, err := c.Ticket(patient(t), []string{topic})
		return err
	},
}

func TestPrivateTopics_AreReadableByTheirUserAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key, public := rsaKey(t)
	servers := []*server{
		s.start(t, func(i *instance) { i.JWTPublicKey = public }), // and the secret
		s.start(t, func(i *instance) { i.JWTPublicKey, i.secret = public, "" }),
	}
	inAnHour := time.Now().Add(time.Hour)
	sign := func(method jwt.SigningMethod, sub string, expires time.Time, key any) string {
		signed, err := jwt.NewWithClaims(method, jwt.MapClaims{"sub": sub, "exp": expires.Unix()}).SignedString(key)
		streamtest.Must(t, err)
		return signed
	}

	for _, c := range []struct {
		name, token string
		status      int
		code        string
	}{
		{"NotWithoutAToken", "", http.StatusUnauthorized, "unauthenticated"},
		{"NotByAnotherUser", sign(jwt.SigningMethodRS256, "ben", inAnHour, key), http.StatusForbidden, "forbidden"},
		{"NotWithAnExpiredToken", sign(jwt.SigningMethodRS256, "ann", time.Now().Add(-time.Minute), key), http.StatusUnauthorized, "invalid_token"},
		{"NotWithAnUnsignedToken", sign(jwt.SigningMethodNone, "ann", inAnHour, jwt.UnsafeAllowNoneSignatureType), http.StatusUnauthorized, "invalid_token"},
		{"NotWithThePublicKeyAsSecret", sign(jwt.SigningMethodHS256, "ann", inAnHour, []byte(public)), http.StatusUnauthorized, "invalid_token"},
		{"NotWithAnotherSecret", sign(jwt.SigningMethodHS256, "ann", inAnHour, []byte(testSecret+".")), http.StatusUnauthorized, "invalid_token"},
		{"NotWithAnEmptySecret", sign(jwt.SigningMethodHS256, "ann", inAnHour, []byte{}), http.StatusUnauthorized, "invalid_token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, srv := range servers {
				for _, read := range reads {
					wantProblem(t, read(t, srv.As(c.token), "user:ann"), c.status, c.code)
				}
			}
		})
	}

	t.Run("ByTheirUser", func(t *testing.T) {
		for _, srv := range servers {
			for _, topic := range []string{"user:ann", "me"} {
				for name, read := range reads {
					if err := read(t, srv.As(sign(jwt.SigningMethodRS256, "ann", inAnHour, key)), topic); err != nil {
						t.Errorf("%s of %s: %v", name, topic, err)
					}
				}
			}
		}
	})
}

// rsaKey returns a new key and its public part as PEM.
func rsaKey(t *testing.T) (key *rsa.PrivateKey, public string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	streamtest.Must(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	streamtest.Must(t, err)
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestPrivateEvents_ReachTheirUserAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t), s.start(t)
	readers := map[string]struct {
		c              *client.Client
		requests, gets []string // topics
	}{
		"ann":    {one.as(t, "ann"), []string{"me", "post:p"}, []string{"user:ann", "post:p"}},
		"ben":    {two.as(t, "ben"), []string{"me", "post:p"}, []string{"user:ben", "post:p"}},
		"nobody": {two.Client, []string{"post:p"}, []string{"post:p"}},
	}
	open := func(cursor string) map[*tap][]string {
		taps := make(map[*tap][]string)
		for name, r := range readers {
			for how, transport := range transports {
				x := transport(t, r.c, cursor, r.requests...)
				x.name = how + " of " + name + " from " + cursor
				taps[x] = r.gets
			}
		}
		return taps
	}
	live := open("now")

	_, err := one.as(t, "shop", "service").PutPost(t.Context(), "p", client.PostInput{AuthorID: client.Value("ann")})
	streamtest.Must(t, err)
	asked := comment(t, two.as(t, "ben"), "p", "a question to ann")
	_, err = one.as(t, "ann").CreateComment(t.Context(), "p", client.NewComment{Body: "an answer to ben", ParentID: &asked.ID})
	streamtest.Must(t, err)
	streamtest.Must(t, two.as(t, "shop", "service").Publish(t.Context(), "user:ann", "invoice", "of ann"))
	s.end(t, "post:p")

	streamtest.Want(t, "notices", kinds(t, s.logged(t, "user:ann", "user:ben")), []string{"comment", "reply", "invoice"})
	for x, gets := range live {
		x.wants(t, s.logged(t, gets...))
	}
	for x, gets := range open("earliest") {
		x.wants(t, s.logged(t, gets...))
	}
}

// kinds returns the kinds of notifications and the names of other events.
func kinds(t *testing.T, events []client.Event) (found []string) {
	t.Helper()
	for _, e := range events {
		kind := e.Name
		if e.Name == "notification" {
			kind = decode[struct{ Kind string }](t, e).Kind
		}
		found = append(found, kind)
	}
	return found
}

// withShortToken calls open as a user whose token expires soon. On a slow machine the
// token may expire before the server checks it: then open is called with a token that
// lasts twice as long, up to 16 s.
func withShortToken[T any](t *testing.T, srv *server, user string, left time.Duration, open func(*client.Client) (T, error)) T {
	t.Helper()
	for ; ; left *= 2 {
		opened, err := open(srv.As(token(t, auth.Identity{Subject: user, Expires: time.Now().Add(left)})))
		var p *client.Problem
		if errors.As(err, &p) && p.Status == http.StatusUnauthorized && left <= 8*time.Second {
			continue
		}
		streamtest.Must(t, err)
		return opened
	}
}

func TestToken_EndsReadingWhenItExpires(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)

	t.Run("WithAWarningThirtySecondsBefore", func(t *testing.T) {
		t.Parallel()
		var x *tap
		for early := false; !early; { // a stream that begins less than 30 s before gets it at once
			expires := time.Now().Add(33 * time.Second).Truncate(time.Second)
			x = sse(t, srv.As(token(t, auth.Identity{Subject: "ann", Expires: expires})), "now", "me")
			x.await(t, "the first event", named("stream.ready"))
			early = time.Until(expires) > 30*time.Second
		}
		left := decode[struct{ Seconds int }](t, x.await(t, "a warning", named("stream.expiring"))).Seconds
		if left < 1 || left > 30 {
			t.Errorf("the warning says %d seconds, want at most 30", left)
		}
		s.exec(t, `select tidings.publish('user:ann', 'after-the-warning', '{}')`)
		x.await(t, "an event after the warning", named("after-the-warning"))
	})

	t.Run("WithAWarningAtOnceIfTheTokenLastsLess", func(t *testing.T) {
		t.Parallel()
		x := withShortToken(t, srv, "ben", 2*time.Second, func(ben *client.Client) (*tap, error) {
			return tryListen(t, ben, "now", []string{"me"})
		})
		x.await(t, "a warning", named("stream.expiring"))
		last := x.await(t, "the end", named("stream.bye"))
		streamtest.Want(t, "the event", last.Name+" "+string(last.Data), `stream.bye {"reason":"expired"}`)
		wantEnd(t, x)
	})

	// A poll may also end because its wait is over. On a slow machine that can happen
	// soon after the token expired, so the test tries again.
	t.Run("OfAPollBeforeItsWaitIsOver", func(t *testing.T) {
		t.Parallel()
		streamtest.Eventually(t, "a poll ends with its token", func() bool {
			began := time.Now()
			page := withShortToken(t, srv, "cat", 2*time.Second, func(cat *client.Client) (client.Page, error) {
				return cat.Poll(t.Context(), []string{"me"}, "1-0", longPoll, 0)
			})
			streamtest.Want(t, "the number of events", len(page.Events), 0)
			return time.Since(began) < longPoll/2
		})
	})
}

func TestTicket(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t), s.start(t, func(i *instance) { i.MaxAge = time.Second })
	ann := one.as(t, "ann")
	take := func(t *testing.T, c *client.Client, topics ...string) client.StreamOption {
		t.Helper()
		ticket, err := c.Ticket(t.Context(), topics)
		streamtest.Must(t, err)
		return client.WithParam("ticket", ticket.Ticket)
	}

	t.Run("OpensOneStreamAtAnyInstance", func(t *testing.T) {
		ticket := take(t, ann, "me", "post:p")
		x := listen(t, two.Client, "now", []string{"me", "post:p"}, ticket)
		s.exec(t, `select tidings.publish('user:ann', 'for-ann', '{}')`)
		x.await(t, "a private event", named("for-ann"))
		for _, srv := range []*server{one, two} {
			_, err := srv.Stream(t.Context(), []string{"me"}, "now", ticket)
			wantProblem(t, err, http.StatusUnauthorized, "invalid_ticket")
		}
	})

	t.Run("OpensOneOfManyConcurrentStreams", func(t *testing.T) {
		ticket := take(t, ann, "me")
		outcomes := make(chan error)
		for n := range 8 {
			go func() {
				srv := []*server{one, two}[n%2]
				x, err := srv.Stream(t.Context(), []string{"me"}, "now", ticket)
				if err == nil {
					err = x.Close()
				}
				outcomes <- err
			}()
		}
		opened := 0
		for range 8 {
			if err := <-outcomes; err == nil {
				opened++
			} else if p := (*client.Problem)(nil); !errors.As(err, &p) || p.Code != "invalid_ticket" {
				t.Error(err)
			}
		}
		streamtest.Want(t, "streams opened", opened, 1)
	})

	t.Run("OpensItsTopicsAlone", func(t *testing.T) {
		for _, topics := range [][]string{{"me", "post:p"}, {"post:p"}, {"user:ben"}} {
			_, err := two.Stream(t.Context(), topics, "now", take(t, ann, "me"))
			wantProblem(t, err, http.StatusForbidden, "forbidden")
		}
	})

	t.Run("OpensAStreamThatEndsWithTheTokenAndNotByAge", func(t *testing.T) {
		x := withShortToken(t, one, "ann", 4*time.Second, func(ann *client.Client) (*tap, error) {
			ticket, err := ann.Ticket(t.Context(), []string{"me"})
			if err != nil {
				return nil, err
			}
			return tryListen(t, two.Client, "now", []string{"me"}, client.WithParam("ticket", ticket.Ticket))
		})
		streamtest.Want(t, "bye", string(x.await(t, "bye", named("stream.bye")).Data), `{"reason":"expired"}`)
		wantEnd(t, x)
	})
}
