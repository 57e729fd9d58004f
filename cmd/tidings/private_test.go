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
)

// doors are the ways to a topic.
var doors = map[string]func(t *testing.T, c *client.Client, topic string) error{
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

func TestPrivateTopicsAreShut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key, public := rsaKey(t)
	servers := []*server{
		s.start(t, func(i *instance) { i.JWTPublicKey = public }), // beside the secret
		s.start(t, func(i *instance) { i.JWTPublicKey, i.secret = public, "" }),
	}
	inAnHour := time.Now().Add(time.Hour)
	sign := func(method jwt.SigningMethod, sub string, expires time.Time, key any) string {
		signed, err := jwt.NewWithClaims(method, jwt.MapClaims{"sub": sub, "exp": expires.Unix()}).SignedString(key)
		must(t, err)
		return signed
	}

	for _, c := range []struct {
		name, token string
		status      int
		code        string
	}{
		{"ToNobody", "", http.StatusUnauthorized, "unauthenticated"},
		{"ToAnotherUser", sign(jwt.SigningMethodRS256, "ben", inAnHour, key), http.StatusForbidden, "forbidden"},
		{"ToAnExpiredToken", sign(jwt.SigningMethodRS256, "ann", time.Now().Add(-time.Minute), key), http.StatusUnauthorized, "invalid_token"},
		{"ToAnUnsignedToken", sign(jwt.SigningMethodNone, "ann", inAnHour, jwt.UnsafeAllowNoneSignatureType), http.StatusUnauthorized, "invalid_token"},
		{"ToThePublicKeyAsASecret", sign(jwt.SigningMethodHS256, "ann", inAnHour, []byte(public)), http.StatusUnauthorized, "invalid_token"},
		{"ToAnotherSecret", sign(jwt.SigningMethodHS256, "ann", inAnHour, []byte(testSecret+".")), http.StatusUnauthorized, "invalid_token"},
		{"ToAnEmptySecret", sign(jwt.SigningMethodHS256, "ann", inAnHour, []byte{}), http.StatusUnauthorized, "invalid_token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, srv := range servers {
				for _, open := range doors {
					wantProblem(t, open(t, srv.As(c.token), "user:ann"), c.status, c.code)
				}
			}
		})
	}

	t.Run("ButNotToTheirUser", func(t *testing.T) {
		for _, srv := range servers {
			for _, topic := range []string{"user:ann", "me"} {
				for name, open := range doors {
					if err := open(t, srv.As(sign(jwt.SigningMethodRS256, "ann", inAnHour, key)), topic); err != nil {
						t.Errorf("%s of %s: %v", name, topic, err)
					}
				}
			}
		}
	})
}

func rsaKey(t *testing.T) (key *rsa.PrivateKey, public string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestPrivateEventsAreSeenByTheirUserAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t), s.start(t)
	readers := map[string]struct {
		c          *client.Client
		asks, sees []string // topics
	}{
		"ann":    {one.as(t, "ann"), []string{"me", "post:p"}, []string{"user:ann", "post:p"}},
		"ben":    {two.as(t, "ben"), []string{"me", "post:p"}, []string{"user:ben", "post:p"}},
		"nobody": {two.Client, []string{"post:p"}, []string{"post:p"}},
	}
	open := func(cursor string) map[*tap][]string {
		taps := make(map[*tap][]string)
		for name, r := range readers {
			for how, transport := range transports {
				x := transport(t, r.c, cursor, r.asks...)
				x.name = how + " of " + name + " from " + cursor
				taps[x] = r.sees
			}
		}
		return taps
	}
	live := open("now")

	_, err := one.as(t, "shop", "service").PutPost(t.Context(), "p", client.PostInput{AuthorID: "ann"})
	must(t, err)
	asked := comment(t, two.as(t, "ben"), "p", "a question to ann")
	_, err = one.as(t, "ann").CreateComment(t.Context(), "p", client.NewComment{Body: "an answer to ben", ParentID: &asked.ID})
	must(t, err)
	must(t, two.as(t, "shop", "service").Publish(t.Context(), "user:ann", "invoice", "of ann"))
	s.end(t, "post:p")

	want(t, "notices", kinds(t, s.logged(t, "user:ann", "user:ben")), []string{"comment", "reply", "invoice"})
	for x, sees := range live {
		x.wants(t, s.logged(t, sees...))
	}
	for x, sees := range open("earliest") {
		x.wants(t, s.logged(t, sees...))
	}
}

// kinds are those of notifications, and the names of other events.
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

func TestReadingEndsWithTheToken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	srv := s.start(t)
	until := func(left time.Duration, user string) *client.Client {
		return srv.As(token(t, auth.Identity{Subject: user, Expires: time.Now().Add(left)}))
	}

	t.Run("WithAWarningWhenThereIsTime", func(t *testing.T) {
		t.Parallel()
		x := sse(t, until(32*time.Second, "ann"), "now", "me")
		left := decode[struct{ Seconds int }](t, x.await(t, "a warning", named("stream.expiring"))).Seconds
		if left < 25 || left > 30 { // a busy machine is late with it
			t.Errorf("the warning says %d seconds", left)
		}
		s.exec(t, `select tidings.publish('user:ann', 'still-there', '{}')`)
		x.await(t, "an event after the warning", named("still-there"))
	})

	t.Run("WithoutOneWhenThereIsNone", func(t *testing.T) {
		t.Parallel()
		x := sse(t, until(2*time.Second, "ben"), "now", "me")
		told := x.await(t, "the end", func(e client.Event) bool { return e.Name == "stream.expiring" || e.Name == "stream.bye" })
		want(t, "what it is told", told.Name+" "+string(told.Data), `stream.bye {"reason":"expired"}`)
		wantEnd(t, x)
	})

	t.Run("AlsoOfAPoll", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		page, err := until(2*time.Second, "cat").Poll(t.Context(), []string{"me"}, "1-0", patience, 0)
		must(t, err)
		want(t, "events", len(page.Events), 0)
		if took := time.Since(began); took > patience/2 {
			t.Errorf("the poll was held for %v", took)
		}
	})
}

func TestTickets(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.start(t), s.start(t, func(i *instance) { i.MaxAge = time.Second })
	ann := one.as(t, "ann")
	take := func(t *testing.T, c *client.Client, topics ...string) client.StreamOption {
		t.Helper()
		ticket, err := c.Ticket(t.Context(), topics)
		must(t, err)
		return client.WithParam("ticket", ticket.Ticket)
	}

	t.Run("OpenOneStreamAtAnyInstance", func(t *testing.T) {
		ticket := take(t, ann, "me", "post:p")
		x := listen(t, two.Client, "now", []string{"me", "post:p"}, ticket)
		s.exec(t, `select tidings.publish('user:ann', 'for-ann', '{}')`)
		x.await(t, "a private event", named("for-ann"))
		for _, srv := range []*server{one, two} {
			_, err := srv.Stream(t.Context(), []string{"me"}, "now", ticket)
			wantProblem(t, err, http.StatusUnauthorized, "invalid_ticket")
		}
	})

	t.Run("OpenOneOfManyAtOnce", func(t *testing.T) {
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
		want(t, "streams opened", opened, 1)
	})

	t.Run("AreForTheirTopicsAlone", func(t *testing.T) {
		for _, topics := range [][]string{{"me", "post:p"}, {"post:p"}, {"user:ben"}} {
			_, err := two.Stream(t.Context(), topics, "now", take(t, ann, "me"))
			wantProblem(t, err, http.StatusForbidden, "forbidden")
		}
	})

	t.Run("EndWithTheTokenAndNotByAge", func(t *testing.T) {
		brief := one.As(token(t, auth.Identity{Subject: "ann", Expires: time.Now().Add(4 * time.Second)}))
		x := listen(t, two.Client, "now", []string{"me"}, take(t, brief, "me"))
		want(t, "bye", string(x.await(t, "bye", named("stream.bye")).Data), `{"reason":"expired"}`)
		wantEnd(t, x)
	})
}
