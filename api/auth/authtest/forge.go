// Package authtest makes tokens for tests. It builds them by hand, because a JWT
// library refuses to make bad ones.
package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"hash"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

// Secret signs the tokens of tests.
var Secret = strings.Repeat("s", 32)

// An Object is a JSON object: the header of a token, or its claims.
type Object = map[string]any

// A Signer returns the signature of a token's text up to its second dot.
type Signer func(text string) []byte

// Base64 encodes a part of a token (RFC 7515 section 2).
func Base64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Part encodes one part of a token: a string as it is, any other value as JSON.
func Part(v any) string {
	if text, ok := v.(string); ok {
		return Base64([]byte(text))
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return Base64(text)
}

// Forge makes a token of a header and claims, which are encoded by [Part].
func Forge(header, claims any, sign Signer) string {
	text := Part(header) + "." + Part(claims)
	return text + "." + Base64(sign(text))
}

// Token makes a token with HS256 and [Good] claims.
func Token(edits ...Object) string { return Forge(Alg("HS256"), Good(edits...), HS256) }

// Good returns claims that are accepted. Each edit replaces some of them; the value nil
// removes a claim.
func Good(edits ...Object) Object {
	c := Object{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}
	for _, e := range edits {
		maps.Copy(c, e)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// Alg returns a header that names an algorithm, and more members.
func Alg(name string, more ...Object) Object {
	h := Object{"alg": name}
	for _, m := range more {
		maps.Copy(h, m)
	}
	return h
}

// HMAC signs with a secret.
func HMAC(h func() hash.Hash, secret string) Signer {
	return func(text string) []byte {
		mac := hmac.New(h, []byte(secret))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
}

// HS256 signs with [Secret].
func HS256(text string) []byte { return HMAC(sha256.New, Secret)(text) }

// HS384 signs with [Secret].
func HS384(text string) []byte { return HMAC(sha512.New384, Secret)(text) }

// HS512 signs with [Secret].
func HS512(text string) []byte { return HMAC(sha512.New, Secret)(text) }

// Unsigned returns an empty signature.
func Unsigned(string) []byte { return nil }

// RS256 signs with the RSA key of [Keys].
func RS256(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, Keys().RSA, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return sig
}

// ES signs with ECDSA.
func ES(key *ecdsa.PrivateKey, h crypto.Hash) Signer {
	return func(text string) []byte {
		digest := h.New()
		digest.Write([]byte(text))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest.Sum(nil))
		if err != nil {
			panic(err)
		}
		size := (key.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
}

// EdDSA signs with the Ed25519 key of [Keys].
func EdDSA(text string) []byte { return ed25519.Sign(Keys().Ed25519, []byte(text)) }

// KeySet holds one private key of each type.
type KeySet struct {
	RSA     *rsa.PrivateKey
	P256    *ecdsa.PrivateKey
	P384    *ecdsa.PrivateKey
	Ed25519 ed25519.PrivateKey
}

// Keys returns the private keys of the test binary. They are made once, because an RSA
// key takes long to make.
var Keys = sync.OnceValue(func() (k KeySet) {
	var errs [4]error
	k.RSA, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	k.P256, errs[1] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.P384, errs[2] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, k.Ed25519, errs[3] = ed25519.GenerateKey(rand.Reader)
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
	return k
})

// PublicPEM returns the public half of a key as PEM.
func PublicPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	streamtest.Must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
