package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxTokenBytes bounds the tokens that are parsed at all.
const maxTokenBytes = 8 << 10

// Config sets which tokens a [Verifier] accepts: those signed with the secret, those
// signed with the public key's private half, or both. Without any key it accepts none.
type Config struct {
	Secret    string // for HS256, HS384 and HS512; at least 32 bytes
	PublicKey string // PEM, PKIX: RSA of 2,048 bits or more (RS256), P-256 (ES256) or Ed25519 (EdDSA)
	Issuer    string // the iss claim that a token must have; "" accepts any
	Audience  string // a value that the aud claim must have; "" accepts any
}

// A Verifier checks the site's JWTs (RFC 7519) under the rules of RFC 8725: the keys
// come from the configuration alone, each key fixes its algorithms, and exp is
// required. It is safe for concurrent use.
type Verifier struct {
	parser *jwt.Parser
	secret []byte
	public any
	cache  cache
}

// NewVerifier reads the keys. It returns an error if a key cannot be read or is too weak.
func NewVerifier(cfg Config) (*Verifier, error) {
	v := &Verifier{}
	var methods []string
	if cfg.Secret != "" {
		if err := checkSecret(cfg.Secret); err != nil {
			return nil, err
		}
		v.secret = []byte(cfg.Secret)
		methods = append(methods, "HS256", "HS384", "HS512")
	}
	if cfg.PublicKey != "" {
		key, method, err := parsePublicKey(cfg.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("JWT public key: %w", err)
		}
		v.public = key
		methods = append(methods, method)
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(append(methods, "no other")), // an empty list would allow all
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway),
		jwt.WithStrictDecoding(),
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		options = append(options, jwt.WithAudience(cfg.Audience))
	}
	v.parser = jwt.NewParser(options...)
	return v, nil
}

// Verify returns the identity that a token names. Each failure is an [Error] of kind
// [ErrToken] with the same detail, so that a client learns nothing about our keys;
// its cause is for the log.
func (v *Verifier) Verify(token string) (Identity, error) {
	if len(token) > maxTokenBytes {
		return Identity{}, refused(fmt.Errorf("token has %d bytes, at most %d are read", len(token), maxTokenBytes))
	}
	sum := sha256.Sum256([]byte(token))
	if who, ok := v.cache.get(sum, time.Now()); ok {
		return who, nil
	}
	who, err := v.parse(token)
	if err != nil {
		return Identity{}, refused(err)
	}
	v.cache.add(sum, who)
	return who, nil
}

func refused(cause error) error {
	return &Error{Kind: ErrToken, Detail: "it is malformed, expired, or not from this site", Cause: cause}
}

// parse checks the signature first, then the header and the claims.
func (v *Verifier) parse(token string) (Identity, error) {
	claims := jwt.MapClaims{}
	parsed, err := v.parser.ParseWithClaims(token, claims, v.key)
	if err != nil {
		return Identity{}, err
	}
	if err := checkHeader(parsed.Header); err != nil {
		return Identity{}, err
	}
	return identityOf(claims)
}

// key returns the key for the family of the token's algorithm, so that a public key
// is never used as a secret. It does not read what the header says about keys
// (kid, jku, jwk, x5u, x5c).
func (v *Verifier) key(t *jwt.Token) (any, error) {
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
