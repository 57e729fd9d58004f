package api

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
	"sync"
	"testing"
	"time"
)

// Tokens are put together by hand here, so that no library keeps a test from making
// a bad one.

type object = map[string]any

// A signer signs what stands before the second dot.
type signer func(text string) []byte

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// part is one part of a token: JSON, or as it stands when it is text already.
func part(v any) string {
	if text, ok := v.(string); ok {
		return b64([]byte(text))
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b64(text)
}

func forge(header, claims any, sign signer) string {
	text := part(header) + "." + part(claims)
	return text + "." + b64(sign(text))
}

func hmacOf(h func() hash.Hash, key string) signer {
	return func(text string) []byte {
		mac := hmac.New(h, []byte(key))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
}

var (
	hs256    = hmacOf(sha256.New, secret)
	unsigned = signer(func(string) []byte { return nil })
)

// good are claims that are in order; each edit may replace some, nil takes one away.
func good(edits ...object) object {
	c := object{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}
	for _, e := range edits {
		maps.Copy(c, e)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func alg(name string, more ...object) object {
	h := object{"alg": name}
	for _, m := range more {
		maps.Copy(h, m)
	}
	return h
}

// keys are made once: RSA keys take a while.
var keys = sync.OnceValue(func() (k struct {
	rsa  *rsa.PrivateKey
	p256 *ecdsa.PrivateKey
	p384 *ecdsa.PrivateKey
	ed   ed25519.PrivateKey
}) {
	var errs [4]error
	k.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	k.p256, errs[1] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, errs[2] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, k.ed, errs[3] = ed25519.GenerateKey(rand.Reader)
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
	return k
})

func rs256(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, keys().rsa, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return sig
}

func es(key *ecdsa.PrivateKey, h crypto.Hash) signer {
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

func eddsa(text string) []byte { return ed25519.Sign(keys().ed, []byte(text)) }

func hs512(key string) signer { return hmacOf(sha512.New, key) }
func hs384(key string) signer { return hmacOf(sha512.New384, key) }

// publicPEM is the public half of a key.
func publicPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
