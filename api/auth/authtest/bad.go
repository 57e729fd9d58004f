package authtest

import (
	"crypto"
	"maps"
	"strings"
	"testing"
	"time"
)

// Reasons are the reasons that a verifier gives for tokens of [BadTokens], by the beginning
// of the name. The longest one that fits counts, and the reason of others is "malformed".
var Reasons = map[string]string{
	"None": "algorithm", "NOnE": "algorithm", "NoAlg": "algorithm", "Alg": "algorithm", "CurveAlgWrong": "algorithm", "HeaderSwapped": "signature",
	"HeaderNull": "algorithm", "PayloadNull": "no_exp", "Signature": "signature", "Secret": "signature", "CurveWrong": "signature", "ECDSA": "signature", "PayloadSwapped": "signature",
	"ExpMissing": "no_exp", "ExpPast": "expired", "ExpNegative": "expired", "ExpZero": "expired", "NbfFuture": "not_yet",
	"Aud": "audience", "Iss": "issuer", "Sub": "subject",
}

// Reason returns the reason for a token of [BadTokens].
func Reason(name string) string {
	found, reason := "", "malformed"
	for prefix, r := range Reasons {
		if strings.HasPrefix(name, prefix) && len(prefix) > len(found) {
			found, reason = prefix, r
		}
	}
	return reason
}

// BadTokens returns tokens by name, each with one fault, for a verifier that has
// [Secret] and the P-256 key of [Keys] and requires the issuer https://site.example and
// the audience tidings. It must refuse all of them.
func BadTokens(t testing.TB) map[string]string {
	t.Helper()
	fine := Object{"iss": "https://site.example", "aud": "tidings"}
	public := PublicPEM(t, Keys().P256)
	es256 := ES(Keys().P256, crypto.SHA256)
	body := func(header Object) string { return Forge(header, Good(fine), HS256) }
	fair := strings.Split(Token(fine), ".")
	bad := map[string]string{
		"None":                 Forge(Alg("none"), Good(fine), Unsigned),
		"NOnE":                 Forge(Alg("nOnE"), Good(fine), Unsigned),
		"NoneSigned":           body(Alg("none")),
		"NoAlg":                body(Object{}),
		"AlgNumber":            body(Object{"alg": 256}),
		"AlgLowerCase":         body(Alg("hs256")),
		"AlgForeign":           Forge(Alg("RS256"), Good(fine), RS256),
		"AlgPS256":             Forge(Alg("PS256"), Good(fine), RS256),
		"SignatureEmpty":       Forge(Alg("HS256"), Good(fine), Unsigned),
		"SignatureOfOther":     Forge(Alg("HS256"), Good(fine), HMAC(crypto.SHA256.New, "x"+Secret[1:])),
		"SignatureShort":       fair[0] + "." + fair[1] + "." + fair[2][:20],
		"SecretIsThePublicKey": Forge(Alg("HS256"), Good(fine), HMAC(crypto.SHA256.New, public)),
		"SecretIsEmpty":        Forge(Alg("HS256"), Good(fine), HMAC(crypto.SHA256.New, "")),
		"CurveWrong":           Forge(Alg("ES256"), Good(fine), ES(Keys().P384, crypto.SHA256)),
		"CurveAlgWrong":        Forge(Alg("ES384"), Good(fine), ES(Keys().P384, crypto.SHA384)),
		"ECDSAZero":            Forge(Alg("ES256"), Good(fine), func(string) []byte { return make([]byte, 64) }),
		"ECDSAEmpty":           Forge(Alg("ES256"), Good(fine), Unsigned),
		"HeaderSwapped":        Part(Alg("ES256")) + "." + fair[1] + "." + fair[2],
		"PayloadSwapped":       fair[0] + "." + Part(Good(fine, Object{"sub": "eve"})) + "." + fair[2],
		"HeaderNull":           Forge("null", Good(fine), HS256),
		"HeaderArray":          Forge("[]", Good(fine), HS256),
		"PayloadNull":          Forge(Alg("HS256"), "null", HS256),
		"PayloadArray":         Forge(Alg("HS256"), "[]", HS256),
		"PayloadText":          Forge(Alg("HS256"), "hello", HS256),
		"PayloadDeep":          Forge(Alg("HS256"), strings.Repeat("[", 5000), HS256),
		"TypForeign":           body(Alg("HS256", Object{"typ": "logout+jwt"})),
		"TypNumber":            body(Alg("HS256", Object{"typ": 1})),
		"Crit":                 body(Alg("HS256", Object{"crit": []string{"exp"}})),
		"CritEmpty":            body(Alg("HS256", Object{"crit": []string{}})),
		"B64False":             body(Alg("HS256", Object{"b64": false, "crit": []string{"b64"}})),
		"Padded":               fair[0] + "=." + fair[1] + "." + fair[2],
		"PaddingBits":          fair[0] + "." + fair[1] + "." + dirty(fair[2]),
		"StandardAlphabet":     strings.ReplaceAll(Forge(`{"alg":"ES256","x":"???"}`, Good(fine), es256), "_", "/"),
		"TwoParts":             fair[0] + "." + fair[1],
		"FourParts":            strings.Join(fair, ".") + ".x",
		"JWE":                  Part(Object{"alg": "dir", "enc": "A256GCM"}) + "..iv.text.tag",
		"Dots":                 strings.Repeat(".", 8000),
		"Empty":                ".",
		"KidOf10KB":            body(Alg("HS256", Object{"kid": strings.Repeat("k", 10<<10)})),
	}
	maps.Copy(bad, badClaims(fine))
	return bad
}

// badClaims returns tokens with a good signature and claims that are not accepted. fine are
// the claims that the verifier requires in addition to [Good] ones.
func badClaims(fine Object) map[string]string {
	now := time.Now().Unix()
	hs := func(claims Object) string { return Token(fine, claims) }
	return map[string]string{
		"ExpMissing":      hs(Object{"exp": nil}),
		"ExpPast":         hs(Object{"exp": now - 60}),
		"ExpText":         hs(Object{"exp": "4102444800"}),
		"ExpHuge":         hs(Object{"exp": 1e300}),
		"ExpMilliseconds": hs(Object{"exp": (now + 3600) * 1000}),
		"ExpNegative":     hs(Object{"exp": -1}),
		"ExpZero":         hs(Object{"exp": 0}),
		"ExpTrue":         hs(Object{"exp": true}),
		"NbfFuture":       hs(Object{"nbf": now + 60}),
		"NbfHuge":         hs(Object{"nbf": 1e300}),
		"NbfText":         hs(Object{"nbf": "0"}),
		"IatText":         hs(Object{"iat": "0"}),
		"IatHuge":         hs(Object{"iat": 1e300}),
		"AudMissing":      hs(Object{"aud": nil}),
		"AudWrong":        hs(Object{"aud": "other"}),
		"AudArrayWrong":   hs(Object{"aud": []string{"a", "tidings.evil"}}),
		"AudArrayEmpty":   hs(Object{"aud": []string{}}),
		"AudNumber":       hs(Object{"aud": 1}),
		"IssMissing":      hs(Object{"iss": nil}),
		"IssWrong":        hs(Object{"iss": "https://site.example.evil"}),
		"IssArray":        hs(Object{"iss": []string{"https://site.example"}}),
		"SubMissing":      hs(Object{"sub": nil}),
		"SubEmpty":        hs(Object{"sub": ""}),
		"SubNumber":       hs(Object{"sub": 42}),
		"SubDash":         hs(Object{"sub": "-"}),
		"SubNewline":      hs(Object{"sub": "ann\nbob"}),
		"SubSpace":        hs(Object{"sub": "ann lee"}),
		"SubDots":         hs(Object{"sub": ".."}),
		"SubLong":         hs(Object{"sub": strings.Repeat("a", 256)}),
		"SubGuest":        hs(Object{"sub": "guest:ann"}),
		"NameNumber":      hs(Object{"name": 7}),
		"RolesText":       hs(Object{"roles": "admin"}),
		"RolesObject":     hs(Object{"roles": Object{"admin": true}}),
		"RolesMixed":      hs(Object{"roles": []any{"admin", 1}}),
	}
}

// dirty changes the unused bits of the last character: base64 decoders that are not
// strict read the same signature from another text.
func dirty(signature string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(signature) - 1
	return signature[:last] + string(alphabet[strings.IndexByte(alphabet, signature[last])^1])
}
