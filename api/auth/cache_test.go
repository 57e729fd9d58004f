package auth

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

const verifierSecret = "a-secret-of-thirty-two-bytes-or-more"

func newTestVerifier(t *testing.T, cfg Config) *Verifier {
	t.Helper()
	v, err := NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func signFor(t *testing.T, sub string, ttl time.Duration) string {
	t.Helper()
	token, err := SignToken(verifierSecret, Identity{Subject: sub, Name: sub, Roles: []string{RoleAdmin}, Expires: time.Now().Add(ttl)})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestVerifier_Remembers(t *testing.T) {
	t.Parallel()

	t.Run("TheSameIdentity", func(t *testing.T) {
		t.Parallel()
		v := newTestVerifier(t, Config{Secret: verifierSecret})
		token := signFor(t, "ann", time.Minute)
		first, err := v.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		v.parser, v.secret = nil, nil // whoever verifies it anew now, panics
		second, err := v.Verify(token)
		if err != nil || fmt.Sprint(second) != fmt.Sprint(first) || second.Subject != "ann" {
			t.Errorf("%+v, then %+v, %v", first, second, err)
		}
	})

	t.Run("NoTokenPastItsEnd", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const leeway = 10 * time.Second
			v := newTestVerifier(t, Config{Secret: verifierSecret, Leeway: leeway})
			token := signFor(t, "ann", time.Minute)
			for range 2 {
				if _, err := v.Verify(token); err != nil {
					t.Fatal(err)
				}
			}
			<-time.After(time.Minute + leeway - time.Second) // of the bubble's own clock
			if _, err := v.Verify(token); err != nil {
				t.Errorf("within the leeway: %v", err)
			}
			<-time.After(time.Second)
			if _, err := v.Verify(token); err == nil {
				t.Error("it is still good at its end")
			}
		})
	})

	t.Run("NoOtherToken", func(t *testing.T) {
		t.Parallel()
		v := newTestVerifier(t, Config{Secret: verifierSecret})
		token := signFor(t, "ann", time.Minute)
		if _, err := v.Verify(token); err != nil {
			t.Fatal(err)
		}
		for i := range len(token) {
			forged := []byte(token)
			forged[i] ^= 1
			if _, err := v.Verify(string(forged)); err == nil {
				t.Fatalf("good with byte %d changed", i)
			}
		}
	})

	t.Run("NothingThatWasRefused", func(t *testing.T) {
		t.Parallel()
		v := newTestVerifier(t, Config{Secret: verifierSecret, Issuer: "somebody else"})
		token := signFor(t, "ann", time.Minute)
		for range 2 {
			if _, err := v.Verify(token); err == nil {
				t.Error("good without its issuer")
			}
		}
	})

	t.Run("SoManyAndNoMore", func(t *testing.T) {
		t.Parallel()
		var c cache
		who := Identity{Subject: "ann", Expires: time.Now().Add(time.Hour)}
		often := sha256.Sum256([]byte("often"))
		c.add(often, who)
		for i := range 5 * generationSize {
			c.add(sha256.Sum256(fmt.Append(nil, i)), who)
			if _, ok := c.get(often); !ok {
				t.Fatalf("one that is asked for all the time is forgotten after %d", i)
			}
		}
		if n := len(c.young) + len(c.old); n > 2*generationSize {
			t.Errorf("%d are remembered", n)
		}
	})
}
