package auth

import (
	"crypto/hmac"
	"encoding/base64"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tidings-live/tidings/api/auth/authtest"
	"github.com/tidings-live/tidings/stream"
)

// FuzzVerify checks that Verify does not panic and accepts no token that the secret did
// not sign, and that the identity of an accepted token is within its limits. header and
// claims are signed, so that the checks behind the signature are reached.
func FuzzVerify(f *testing.F) {
	f.Add(authtest.Token(), `{"alg":"HS256"}`, `{"sub":"ann","exp":4102444800}`)
	for _, bad := range authtest.BadTokens(f) {
		header, rest, _ := strings.Cut(bad, ".")
		claims, _, _ := strings.Cut(rest, ".")
		h, _ := base64.RawURLEncoding.DecodeString(header)
		c, _ := base64.RawURLEncoding.DecodeString(claims)
		f.Add(bad, string(h), string(c))
	}
	f.Add("..", `{"alg":"HS512","typ":null}`, `{"sub":"a","exp":1e18,"name":"\u202e","picture":"https://x","roles":[[]]}`)
	v := verifier(f, Config{Secret: authtest.Secret})
	f.Fuzz(func(t *testing.T, raw, header, claims string) {
		if i, err := v.Verify(raw); err == nil && !signedByUs(raw) {
			t.Fatalf("%q is accepted as %+v", raw, i)
		}
		i, err := v.Verify(authtest.Forge(header, claims, authtest.HS256))
		if err != nil {
			if i.Subject != "" || i.Roles != nil {
				t.Fatalf("an error and %+v", i)
			}
			return
		}
		if stream.ValidID(i.Subject) != nil || strings.HasPrefix(i.Subject, guestPrefix) || i.Anonymous() {
			t.Fatalf("subject is %q", i.Subject)
		}
		if i.Expires.Before(time.Now().Add(-time.Second)) || i.Expires.Year() > 9999 {
			t.Fatalf("expires %v", i.Expires)
		}
		if len([]rune(i.Name)) > maxNameRunes || strings.ContainsFunc(i.Name, unicode.IsControl) || strings.ContainsFunc(i.Name, bidiOverride) {
			t.Fatalf("name is %q", i.Name)
		}
		if i.Picture != nil && (len(*i.Picture) > maxPictureBytes || !strings.HasPrefix(*i.Picture, "http")) {
			t.Fatalf("picture is %q", *i.Picture)
		}
	})
}

// signedByUs checks the signature with nothing but hmac.
func signedByUs(token string) bool {
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		return false
	}
	for _, sign := range []authtest.Signer{authtest.HS256, authtest.HS384, authtest.HS512} {
		if hmac.Equal(sign(token[:dot]), signature) {
			return true
		}
	}
	return false
}
