package api

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func verifier(t testing.TB, cfg TokenConfig) *Verifier {
	t.Helper()
	v, err := NewVerifier(cfg)
	must(t, err)
	return v
}

// strict is a verifier that requires everything it can.
func strict(t testing.TB) *Verifier {
	t.Helper()
	return verifier(t, TokenConfig{
		Secret: secret, PublicKey: publicPEM(t, keys().p256), Issuer: "https://site.example", Audience: "tidings",
	})
}

func TestVerifierTakesGoodTokens(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		cfg   TokenConfig
		token string
	}{
		"HS256":           {TokenConfig{Secret: secret}, forge(alg("HS256"), good(), hs256)},
		"HS384":           {TokenConfig{Secret: secret}, forge(alg("HS384"), good(), hs384(secret))},
		"HS512":           {TokenConfig{Secret: secret}, forge(alg("HS512"), good(), hs512(secret))},
		"RS256":           {TokenConfig{PublicKey: publicPEM(t, keys().rsa)}, forge(alg("RS256"), good(), rs256)},
		"ES256":           {TokenConfig{PublicKey: publicPEM(t, keys().p256)}, forge(alg("ES256"), good(), es(keys().p256, crypto.SHA256))},
		"EdDSA":           {TokenConfig{PublicKey: publicPEM(t, keys().ed)}, forge(alg("EdDSA"), good(), eddsa)},
		"SecretAndKey":    {TokenConfig{Secret: secret, PublicKey: publicPEM(t, keys().ed)}, forge(alg("EdDSA"), good(), eddsa)},
		"TypInLowerCase":  {TokenConfig{Secret: secret}, forge(alg("HS256", object{"typ": "jwt"}), good(), hs256)},
		"TypAccessToken":  {TokenConfig{Secret: secret}, forge(alg("HS256", object{"typ": "at+jwt"}), good(), hs256)},
		"AudString":       {TokenConfig{Secret: secret, Audience: "tidings"}, forge(alg("HS256"), good(object{"aud": "tidings"}), hs256)},
		"AudArray":        {TokenConfig{Secret: secret, Audience: "tidings"}, forge(alg("HS256"), good(object{"aud": []string{"x", "tidings"}}), hs256)},
		"Iss":             {TokenConfig{Secret: secret, Issuer: "a"}, forge(alg("HS256"), good(object{"iss": "a"}), hs256)},
		"ExpWithFraction": {TokenConfig{Secret: secret}, forge(alg("HS256"), good(object{"exp": float64(time.Now().Unix()) + 9.5}), hs256)},
		"NullsAreAbsent":  {TokenConfig{Secret: secret}, forge(alg("HS256"), `{"sub":"ann","exp":4102444800,"name":null,"roles":null,"picture":null}`, hs256)},
	} {
		got, err := verifier(t, c.cfg).Verify(c.token)
		if err != nil || got.Subject != "ann" || got.anonymous() {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestVerifierReadsClaims(t *testing.T) {
	t.Parallel()
	v := verifier(t, TokenConfig{Secret: secret})

	read := func(claims object) Identity {
		t.Helper()
		i, err := v.Verify(forge(alg("HS256"), good(claims), hs256))
		must(t, err)
		return i
	}
	i := read(object{"name": "Ann", "picture": "https://example.org/a b.png", "roles": []string{"admin", "x"}})
	want(t, "name", i.Name, "Ann")
	want(t, "picture", *i.Picture, "https://example.org/a%20b.png")
	want(t, "roles", i.Roles, []string{"admin", "x"})
	want(t, "is an admin", i.is(RoleService, RoleAdmin), true)
	want(t, "is a moderator", i.is(RoleModerator), false)

	for name, shown := range map[string]string{
		"":                          "ann",
		" \t\n":                     "ann",
		"\u202e\u200b\x00\x7f":      "ann",
		"A\x00n\nn\u202e":           "Ann",
		"  Ann Lee ":                "Ann Lee",
		strings.Repeat("é", 300):    strings.Repeat("é", 200),
		"<script>alert(1)</script>": "<script>alert(1)</script>", // text, which pages show as text
	} {
		want(t, "name", read(object{"name": name}).Name, shown)
	}
	for _, picture := range []string{
		"", "x", "/a.png", "//example.org/a.png", "javascript:alert(1)", "data:image/png;base64,x", "ftp://example.org/a", "https://", "https://a b/",
		"https://example.org/" + strings.Repeat("a", 2000), "https://example.org/" + strings.Repeat("é", 700), // 4,200 bytes as it is stored
	} {
		if got := read(object{"picture": picture}).Picture; got != nil {
			t.Errorf("picture %.40q is kept as %.40q", picture, *got)
		}
	}
	// Names of claims are exact: what a site lets its users choose stays theirs.
	i = read(object{"SUB": "eve", "Roles": []string{"admin"}, "Exp": 1, "NAME": "Eve"})
	want(t, "identity", []any{i.Subject, i.Roles, i.Name}, []any{"ann", []string(nil), "ann"})
}

// X26 to X29: every one of these is refused.
func badTokens(t testing.TB) map[string]string {
	t.Helper()
	fine := object{"iss": "https://site.example", "aud": "tidings"}
	now := time.Now().Unix()
	public := publicPEM(t, keys().p256)
	es256 := es(keys().p256, crypto.SHA256)
	hs := func(claims ...object) string {
		return forge(alg("HS256"), good(append([]object{fine}, claims...)...), hs256)
	}
	body := func(header object) string { return forge(header, good(fine), hs256) }
	fair := strings.Split(hs(), ".")
	bad := map[string]string{
		"None":                 forge(alg("none"), good(fine), unsigned),
		"NOnE":                 forge(alg("nOnE"), good(fine), unsigned),
		"NoneSigned":           body(alg("none")),
		"NoAlg":                body(object{}),
		"AlgNumber":            body(object{"alg": 256}),
		"AlgLowerCase":         body(alg("hs256")),
		"AlgForeign":           forge(alg("RS256"), good(fine), rs256),
		"AlgPS256":             forge(alg("PS256"), good(fine), rs256),
		"SignatureEmpty":       forge(alg("HS256"), good(fine), unsigned),
		"SignatureOfOther":     forge(alg("HS256"), good(fine), hmacOf(crypto.SHA256.New, "x"+secret[1:])),
		"SignatureShort":       fair[0] + "." + fair[1] + "." + fair[2][:20],
		"SecretIsThePublicKey": forge(alg("HS256"), good(fine), hmacOf(crypto.SHA256.New, public)),
		"SecretIsEmpty":        forge(alg("HS256"), good(fine), hmacOf(crypto.SHA256.New, "")),
		"CurveWrong":           forge(alg("ES256"), good(fine), es(keys().p384, crypto.SHA256)),
		"CurveAlgWrong":        forge(alg("ES384"), good(fine), es(keys().p384, crypto.SHA384)),
		"ECDSAZero":            forge(alg("ES256"), good(fine), func(string) []byte { return make([]byte, 64) }),
		"ECDSAEmpty":           forge(alg("ES256"), good(fine), unsigned),
		"HeaderSwapped":        part(alg("ES256")) + "." + fair[1] + "." + fair[2],
		"PayloadSwapped":       fair[0] + "." + part(good(fine, object{"sub": "eve"})) + "." + fair[2],
		"HeaderNull":           forge("null", good(fine), hs256),
		"HeaderArray":          forge("[]", good(fine), hs256),
		"PayloadNull":          forge(alg("HS256"), "null", hs256),
		"PayloadArray":         forge(alg("HS256"), "[]", hs256),
		"PayloadText":          forge(alg("HS256"), "hello", hs256),
		"PayloadDeep":          forge(alg("HS256"), strings.Repeat("[", 5000), hs256),
		"ExpMissing":           hs(object{"exp": nil}),
		"ExpPast":              hs(object{"exp": now - 60}),
		"ExpText":              hs(object{"exp": "4102444800"}),
		"ExpHuge":              hs(object{"exp": 1e300}),
		"ExpMilliseconds":      hs(object{"exp": (now + 3600) * 1000}),
		"ExpNegative":          hs(object{"exp": -1}),
		"ExpZero":              hs(object{"exp": 0}),
		"ExpTrue":              hs(object{"exp": true}),
		"NbfFuture":            hs(object{"nbf": now + 60}),
		"NbfHuge":              hs(object{"nbf": 1e300}),
		"NbfText":              hs(object{"nbf": "0"}),
		"IatFuture":            hs(object{"iat": now + 60}),
		"IatHuge":              hs(object{"iat": 1e300}),
		"AudMissing":           hs(object{"aud": nil}),
		"AudWrong":             hs(object{"aud": "other"}),
		"AudArrayWrong":        hs(object{"aud": []string{"a", "tidings.evil"}}),
		"AudArrayEmpty":        hs(object{"aud": []string{}}),
		"AudNumber":            hs(object{"aud": 1}),
		"IssMissing":           hs(object{"iss": nil}),
		"IssWrong":             hs(object{"iss": "https://site.example.evil"}),
		"IssArray":             hs(object{"iss": []string{"https://site.example"}}),
		"TypForeign":           body(alg("HS256", object{"typ": "logout+jwt"})),
		"TypNumber":            body(alg("HS256", object{"typ": 1})),
		"Crit":                 body(alg("HS256", object{"crit": []string{"exp"}})),
		"CritEmpty":            body(alg("HS256", object{"crit": []string{}})),
		"B64False":             body(alg("HS256", object{"b64": false, "crit": []string{"b64"}})),
		"SubMissing":           hs(object{"sub": nil}),
		"SubEmpty":             hs(object{"sub": ""}),
		"SubNumber":            hs(object{"sub": 42}),
		"SubNewline":           hs(object{"sub": "ann\nbob"}),
		"SubSpace":             hs(object{"sub": "ann lee"}),
		"SubDots":              hs(object{"sub": ".."}),
		"SubLong":              hs(object{"sub": strings.Repeat("a", 201)}),
		"SubGuest":             hs(object{"sub": "guest:ann"}),
		"NameNumber":           hs(object{"name": 7}),
		"RolesText":            hs(object{"roles": "admin"}),
		"RolesObject":          hs(object{"roles": object{"admin": true}}),
		"RolesMixed":           hs(object{"roles": []any{"admin", 1}}),
		"Padded":               fair[0] + "=." + fair[1] + "." + fair[2],
		"PaddingBits":          fair[0] + "." + fair[1] + "." + dirty(fair[2]),
		"StandardAlphabet":     strings.ReplaceAll(forge(`{"alg":"ES256","x":"???"}`, good(fine), es256), "_", "/"),
		"TwoParts":             fair[0] + "." + fair[1],
		"FourParts":            strings.Join(fair, ".") + ".x",
		"JWE":                  part(object{"alg": "dir", "enc": "A256GCM"}) + "..iv.text.tag",
		"Dots":                 strings.Repeat(".", 8000),
		"Empty":                ".",
		"KidOf10KB":            body(alg("HS256", object{"kid": strings.Repeat("k", 10<<10)})),
	}
	return bad
}

// dirty sets bits of the last character that stand for nothing: the same signature in
// another text.
func dirty(signature string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(signature) - 1
	return signature[:last] + string(alphabet[strings.IndexByte(alphabet, signature[last])^1])
}

func TestVerifierRefuses(t *testing.T) {
	t.Parallel()
	v := strict(t)

	fine := good(object{"iss": "https://site.example", "aud": "tidings"})
	for _, control := range []string{forge(alg("HS256"), fine, hs256), forge(alg("ES256"), fine, es(keys().p256, crypto.SHA256))} {
		if _, err := v.Verify(control); err != nil {
			t.Fatalf("a good token is refused: %v", err)
		}
	}
	bad := badTokens(t)
	bad["AHundredThousandDots"] = strings.Repeat(".", 100_000) // over HTTP the header is too long
	bad["AMegabyte"] = strings.Repeat("a", 1<<20)
	for name, token := range bad {
		if i, err := v.Verify(token); err == nil || i.Subject != "" {
			t.Errorf("%s is accepted as %+v", name, i)
		}
	}
	keyless := verifier(t, TokenConfig{})
	for _, token := range []string{forge(alg("HS256"), fine, hmacOf(crypto.SHA256.New, "")), forge(alg("none"), fine, unsigned), forge(alg("no other"), fine, unsigned)} {
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
	v := verifier(t, TokenConfig{Secret: secret})
	jwk := object{"kty": "oct", "k": b64([]byte("attacker"))}
	for _, more := range []object{
		{"kid": "../../../../dev/null"}, {"kid": "' union select 'attacker' --"}, {"kid": 7},
		{"jku": trap.URL}, {"x5u": trap.URL}, {"jwk": jwk}, {"x5c": []string{"MII"}},
	} {
		for key, accepted := range map[string]bool{secret: true, "attacker": false, "": false} {
			_, err := v.Verify(forge(alg("HS256", more), good(), hmacOf(crypto.SHA256.New, key)))
			if (err == nil) != accepted {
				t.Errorf("header %v signed with %q: %v", more, key, err)
			}
		}
	}
	want(t, "requests for keys", calls.Load(), 0)
}

func TestVerifierRefusesWeakKeys(t *testing.T) {
	t.Parallel()

	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	for name, cfg := range map[string]TokenConfig{
		"ShortSecret": {Secret: secret[:31]},
		"ShortRSA":    {PublicKey: publicPEM(t, weak)},
		"P384":        {PublicKey: publicPEM(t, keys().p384)},
		"NoPEM":       {PublicKey: "ssh-ed25519 AAAA"},
		"NoKey":       {PublicKey: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
	} {
		if _, err := NewVerifier(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := SignToken(secret[:31], Identity{Subject: "ann"}); err == nil {
		t.Error("a short secret signs")
	}
}
