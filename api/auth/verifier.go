package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxTokenBytes bounds the tokens that are parsed at all.
const maxTokenBytes = 8 << 10

// Config sets which tokens a [Verifier] accepts: those signed with the secret, those
// signed with the public key's private half, or both. Without any key it accepts none.
type Config struct {
	Secret    string        // for HS256, HS384 and HS512; at least 32 bytes
	PublicKey string        // PEM, PKIX: RSA of 2,048 bits or more (RS256), P-256 (ES256) or Ed25519 (EdDSA)
	Issuer    string        // the iss claim that a token must have; "" accepts any
	Audience  string        // a value that the aud claim must have; "" accepts any
	Leeway    time.Duration // see [Clock]; 0 allows no difference
}

// A Verifier checks the site's JWTs (RFC 7519) under the rules of RFC 8725: the keys
// come from the configuration alone, each key fixes its algorithms, and exp is
// required. It is safe for concurrent use.
type Verifier struct {
	parser   *jwt.Parser
	methods  []string // the algorithms of the keys
	secret   []byte
	public   any
	issuer   string
	audience string
	clock    Clock
	cache    cache
}

// NewVerifier reads the keys. It returns an error if a key cannot be read or is too weak,
// or if the leeway is negative.
func NewVerifier(cfg Config) (*Verifier, error) {
	if cfg.Leeway < 0 {
		return nil, fmt.Errorf("leeway is %v", cfg.Leeway)
	}
	v := &Verifier{issuer: cfg.Issuer, audience: cfg.Audience, clock: Clock{Leeway: cfg.Leeway}}
	if cfg.Secret != "" {
		if err := checkSecret(cfg.Secret); err != nil {
			return nil, err
		}
		v.secret = []byte(cfg.Secret)
		v.methods = append(v.methods, "HS256", "HS384", "HS512")
	}
	if cfg.PublicKey != "" {
		key, method, err := parsePublicKey(cfg.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("JWT public key: %w", err)
		}
		v.public = key
		v.methods = append(v.methods, method)
	}
	// The parser checks no claims, because its errors do not say which claim is wrong, and
	// no algorithm, because it does not tell a wrong one from a wrong signature: key and
	// check do both.
	v.parser = jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	return v, nil
}

// Clock returns the clock that tokens are judged by.
func (v *Verifier) Clock() Clock { return v.clock }

// Verify returns the identity that a token names. Each failure is an [Error] of kind
// [ErrToken] with its [Reason]. The error's cause is for the log only.
func (v *Verifier) Verify(token string) (Identity, error) {
	if len(token) > maxTokenBytes {
		return Identity{}, refused(ReasonMalformed, fmt.Errorf("token has %d bytes, at most %d are read", len(token), maxTokenBytes))
	}
	now := time.Now()
	sum := sha256.Sum256([]byte(token))
	if who, ok := v.cache.get(sum); ok {
		if v.clock.Ended(who, now) {
			return Identity{}, refused(ReasonExpired, nil)
		}
		return who, nil
	}
	who, err := v.parse(token, now)
	if err != nil {
		return Identity{}, err
	}
	v.cache.add(sum, who)
	return who, nil
}

// errAlgorithm is the error of key for an algorithm that no key has.
var errAlgorithm = errors.New("no key is for this algorithm")

// parse checks the signature first, then the header and the claims.
func (v *Verifier) parse(token string, now time.Time) (Identity, error) {
	claims := jwt.MapClaims{}
	parsed, err := v.parser.ParseWithClaims(token, claims, v.key)
	switch {
	case errors.Is(err, errAlgorithm), errors.Is(err, jwt.ErrTokenUnverifiable):
		return Identity{}, refused(ReasonAlgorithm, err)
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return Identity{}, refused(ReasonSignature, err)
	case err != nil:
		return Identity{}, refused(ReasonMalformed, err)
	}
	if err := checkHeader(parsed.Header); err != nil {
		return Identity{}, refused(ReasonMalformed, err)
	}
	return v.check(claims, now)
}

// key returns the key for the token's algorithm. A key is returned only for its own
// algorithms, so that a public key is never used as a secret. key does not read what the
// header says about keys (kid, jku, jwk, x5u, x5c).
func (v *Verifier) key(t *jwt.Token) (any, error) {
	if !slices.Contains(v.methods, t.Method.Alg()) {
		return nil, errAlgorithm
	}
	if _, symmetric := t.Method.(*jwt.SigningMethodHMAC); symmetric {
		return v.secret, nil
	}
	return v.public, nil
}

// checkHeader refuses critical extensions (RFC 7515 section 4.1.11) and tokens of
// another type than access tokens (RFC 8725 section 3.11).
func checkHeader(header map[string]any) error {
	if _, ok := header["crit"]; ok {
		return errors.New("crit names extensions that are not supported")
	}
	typ, ok := header["typ"]
	if !ok {
		return nil
	}
	if s, _ := typ.(string); !strings.EqualFold(s, "JWT") && !strings.EqualFold(s, "at+jwt") {
		return fmt.Errorf("typ %v is not an access token", typ)
	}
	return nil
}
