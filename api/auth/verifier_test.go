package auth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidings-live/tidings/api/auth/authtest"
	"github.com/tidings-live/tidings/stream/streamtest"
)

func verifier(t testing.TB, cfg Config) *Verifier {
	t.Helper()
	v, err := NewVerifier(cfg)
	streamtest.Must(t, err)
	return v
}

// strict is a verifier that requires everything it can.
func strict(t testing.TB) *Verifier {
	t.Helper()
	return verifier(t, Config{
		Secret: authtest.Secret, PublicKey: authtest.PublicPEM(t, authtest.Keys().P256), Issuer: "https://site.example", Audience: "tidings",
	})
}

func TestVerifierTakesGoodTokens(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		cfg   Config
		token string
	}{
		"HS256":           {Config{Secret: authtest.Secret}, authtest.Token()},
		"HS384":           {Config{Secret: authtest.Secret}, authtest.Forge(authtest.Alg("HS384"), authtest.Good(), authtest.HS384)},
		"HS512":           {Config{Secret: authtest.Secret}, authtest.Forge(authtest.Alg("HS512"), authtest.Good(), authtest.HS512)},
		"RS256":           {Config{PublicKey: authtest.PublicPEM(t, authtest.Keys().RSA)}, authtest.Forge(authtest.Alg("RS256"), authtest.Good(), authtest.RS256)},
		"ES256":           {Config{PublicKey: authtest.PublicPEM(t, authtest.Keys().P256)}, authtest.Forge(authtest.Alg("ES256"), authtest.Good(), authtest.ES(authtest.Keys().P256, crypto.SHA256))},
		"EdDSA":           {Config{PublicKey: authtest.PublicPEM(t, authtest.Keys().Ed25519)}, authtest.Forge(authtest.Alg("EdDSA"), authtest.Good(), authtest.EdDSA)},
		"SecretAndKey":    {Config{Secret: authtest.Secret, PublicKey: authtest.PublicPEM(t, authtest.Keys().Ed25519)}, authtest.Forge(authtest.Alg("EdDSA"), authtest.Good(), authtest.EdDSA)},
		"TypInLowerCase":  {Config{Secret: authtest.Secret}, authtest.Forge(authtest.Alg("HS256", authtest.Object{"typ": "jwt"}), authtest.Good(), authtest.HS256)},
		"TypAccessToken":  {Config{Secret: authtest.Secret}, authtest.Forge(authtest.Alg("HS256", authtest.Object{"typ": "at+jwt"}), authtest.Good(), authtest.HS256)},
		"AudString":       {Config{Secret: authtest.Secret, Audience: "tidings"}, authtest.Token(authtest.Object{"aud": "tidings"})},
		"AudArray":        {Config{Secret: authtest.Secret, Audience: "tidings"}, authtest.Token(authtest.Object{"aud": []string{"x", "tidings"}})},
		"Iss":             {Config{Secret: authtest.Secret, Issuer: "a"}, authtest.Token(authtest.Object{"iss": "a"})},
		"ExpWithFraction": {Config{Secret: authtest.Secret}, authtest.Token(authtest.Object{"exp": float64(time.Now().Unix()) + 9.5})},
		"IatFuture":       {Config{Secret: authtest.Secret}, authtest.Token(authtest.Object{"iat": time.Now().Unix() + 3600})},
		"ExpInLeeway":     {Config{Secret: authtest.Secret, Leeway: time.Minute}, authtest.Token(authtest.Object{"exp": time.Now().Unix() - 30})},
		"NbfInLeeway":     {Config{Secret: authtest.Secret, Leeway: time.Minute}, authtest.Token(authtest.Object{"nbf": time.Now().Unix() + 30})},
		"NullsAreAbsent":  {Config{Secret: authtest.Secret}, authtest.Forge(authtest.Alg("HS256"), `{"sub":"ann","exp":4102444800,"name":null,"roles":null,"picture":null}`, authtest.HS256)},
	} {
		got, err := verifier(t, c.cfg).Verify(c.token)
		if err != nil || got.Subject != "ann" || got.Anonymous() {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestVerifierReadsClaims(t *testing.T) {
	t.Parallel()
	v := verifier(t, Config{Secret: authtest.Secret})

	read := func(claims authtest.Object) Identity {
		t.Helper()
		i, err := v.Verify(authtest.Token(claims))
		streamtest.Must(t, err)
		return i
	}
	i := read(authtest.Object{"name": "Ann", "picture": "https://example.org/a b.png", "roles": []string{"admin", "x"}})
	streamtest.Want(t, "name", i.Name, "Ann")
	streamtest.Want(t, "picture", *i.Picture, "https://example.org/a%20b.png")
	streamtest.Want(t, "roles", i.Roles, []string{"admin", "x"})
	streamtest.Want(t, "is an admin", i.Is(RoleService, RoleAdmin), true)
	streamtest.Want(t, "is a moderator", i.Is(RoleModerator), false)

	for name, shown := range map[string]string{
		"":                         "",
		" \t\n":                    "",
		"\u202e\u200b\x00\x7f":     "",
		"\ufe0f\u2800\u3164\u00ad": "",
		"👩\u200d💻":                 "👩\u200d💻",
		"🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 🇫🇷 ❤️": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 🇫🇷 ❤️",
		"می\u200cخواهم":                 "می\u200cخواهم",
		"\u2066evil\u2069\u2028x\u009b": "evilx",
		"A\x00n\nn\u202e":               "Ann",
		"  Ann Lee ":                    "Ann Lee",
		strings.Repeat("é", 300):        strings.Repeat("é", 200),
		"<script>alert(1)</script>":     "<script>alert(1)</script>", // text, which pages show as text
	} {
		streamtest.Want(t, "name", read(authtest.Object{"name": name}).Name, shown)
	}
	for _, picture := range []string{
		"", "x", "/a.png", "//example.org/a.png", "javascript:alert(1)", "data:image/png;base64,x", "ftp://example.org/a", "https://", "https://a b/",
		"https://example.org/" + strings.Repeat("a", 2000), "https://example.org/" + strings.Repeat("é", 700), // 4,200 bytes as it is stored
	} {
		if got := read(authtest.Object{"picture": picture}).Picture; got != nil {
			t.Errorf("picture %.40q is kept as %.40q", picture, *got)
		}
	}
	// Names of claims are exact: what a site lets its users choose stays theirs.
	i = read(authtest.Object{"SUB": "eve", "Roles": []string{"admin"}, "Exp": 1, "NAME": "Eve"})
	streamtest.Want(t, "identity", []any{i.Subject, i.Roles, i.Name}, []any{"ann", []string(nil), ""})
}

func TestVerifierRefuses(t *testing.T) {
	t.Parallel()
	v := strict(t)

	fine := authtest.Good(authtest.Object{"iss": "https://site.example", "aud": "tidings"})
	for _, control := range []string{authtest.Forge(authtest.Alg("HS256"), fine, authtest.HS256), authtest.Forge(authtest.Alg("ES256"), fine, authtest.ES(authtest.Keys().P256, crypto.SHA256))} {
		if _, err := v.Verify(control); err != nil {
			t.Fatalf("a authtest.Good token is refused: %v", err)
		}
	}
	bad := authtest.BadTokens(t)
	bad["AHundredThousandDots"] = strings.Repeat(".", 100_000) // over HTTP the header is too long
	bad["AMegabyte"] = strings.Repeat("a", 1<<20)
	for name, token := range bad {
		i, err := v.Verify(token)
		if err == nil || i.Subject != "" {
			t.Errorf("%s is accepted as %+v", name, i)
		}
		var refused *Error
		if !errors.As(err, &refused) || string(refused.Reason) != authtest.Reason(name) {
			t.Errorf("%s: %v, want reason %s", name, err, authtest.Reason(name))
		}
	}
	keyless := verifier(t, Config{})
	for _, token := range []string{authtest.Forge(authtest.Alg("HS256"), fine, authtest.HMAC(crypto.SHA256.New, "")), authtest.Forge(authtest.Alg("none"), fine, authtest.Unsigned), authtest.Forge(authtest.Alg("no other"), fine, authtest.Unsigned)} {
		if _, err := keyless.Verify(token); err == nil {
			t.Errorf("%s is accepted without any key", token)
		}
	}
}

// What a token says of its own key is not looked at: nothing is fetched, no file read.
func TestVerifierLooksUpNoKeys(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer trap.Close()
	v := verifier(t, Config{Secret: authtest.Secret})
	jwk := authtest.Object{"kty": "oct", "k": authtest.Base64([]byte("attacker"))}
	for _, more := range []authtest.Object{
		{"kid": "../../../../dev/null"}, {"kid": "' union select 'attacker' --"}, {"kid": 7},
		{"jku": trap.URL}, {"x5u": trap.URL}, {"jwk": jwk}, {"x5c": []string{"MII"}},
	} {
		for key, accepted := range map[string]bool{authtest.Secret: true, "attacker": false, "": false} {
			_, err := v.Verify(authtest.Forge(authtest.Alg("HS256", more), authtest.Good(), authtest.HMAC(crypto.SHA256.New, key)))
			if (err == nil) != accepted {
				t.Errorf("header %v signed with %q: %v", more, key, err)
			}
		}
	}
	streamtest.Want(t, "requests for keys", calls.Load(), 0)
}

func TestVerifierRefusesWeakKeys(t *testing.T) {
	t.Parallel()

	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	streamtest.Must(t, err)
	for name, cfg := range map[string]Config{
		"ShortSecret": {Secret: authtest.Secret[:31]},
		"ShortRSA":    {PublicKey: authtest.PublicPEM(t, weak)},
		"P384":        {PublicKey: authtest.PublicPEM(t, authtest.Keys().P384)},
		"NoPEM":       {PublicKey: "ssh-ed25519 AAAA"},
		"NoKey":       {PublicKey: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
	} {
		if _, err := NewVerifier(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	private, err := x509.MarshalPKCS8PrivateKey(authtest.Keys().P256)
	streamtest.Must(t, err)
	_, err = NewVerifier(Config{PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))})
	if err == nil || !strings.Contains(err.Error(), "PUBLIC KEY is needed, this one is PRIVATE KEY") {
		t.Errorf("a private key is refused with %v", err)
	}
	if _, err := SignToken(authtest.Secret[:31], Identity{Subject: "ann"}); err == nil {
		t.Error("a short secret signs")
	}
}
